"""Texts as Atlassian's document format: what Jira Cloud takes and gives for everything long."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

_URL: Final = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]}']")
#: Paragraphs end where a line is left empty.
_BREAK: Final = re.compile(r"\n[ \t]*\n+")
_BLOCKS: Final = {"paragraph", "heading", "codeBlock", "blockquote", "listItem", "panel", "rule"}
#: Nodes without others in them: from the node and its attributes to what they say.
_LEAVES: Final[dict[Any, Callable[[Any, Any], str]]] = {
    "text": lambda node, _: str(node.get("text") or ""),
    "hardBreak": lambda *_: "\n",
    "mention": lambda _, attrs: str(attrs.get("text") or ""),
    "emoji": lambda _, attrs: str(attrs.get("text") or ""),
    "status": lambda _, attrs: str(attrs.get("text") or ""),
    "inlineCard": lambda _, attrs: str(attrs.get("url") or ""),
}


def document(text: str) -> dict[str, Any]:
    """Return a text as a document: paragraphs, lines, and addresses that can be followed."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    paragraphs = [_paragraph(part) for part in _BREAK.split(text)] if text.strip() else []
    return {"version": 1, "type": "doc", "content": paragraphs}


def text(node: Any) -> str:
    """Return what a document says; a line for each of its blocks, whatever else it holds."""
    return re.sub(r"\n{3,}", "\n\n", _said(node)).strip("\n")


def _paragraph(part: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for line in part.split("\n"):
        if content:
            content.append({"type": "hardBreak"})
        content += _line(line)
    return {"type": "paragraph", "content": content}


def _line(line: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    end = 0
    for url in _URL.finditer(line):
        found += _words(line[end : url.start()])
        link = {"type": "link", "attrs": {"href": url[0]}}
        found.append({"type": "text", "text": url[0], "marks": [link]})
        end = url.end()
    return found + _words(line[end:])


def _words(words: str) -> list[dict[str, Any]]:
    # A text node may not be empty.
    return [{"type": "text", "text": words}] if words else []


def _said(node: Any) -> str:
    if isinstance(node, str):
        return node  # Data Center, and comments from before the format
    if not isinstance(node, dict):
        return ""
    kind = node.get("type")
    if kind in _LEAVES:
        return _LEAVES[kind](node, node.get("attrs") or {})
    inner = "".join(_said(child) for child in node.get("content") or [])
    return f"{inner}\n\n" if kind in _BLOCKS else inner
