"""
Files that a test names in what it printed: a line `[[ATTACHMENT|/where/it/was/screen.png]]`.

Source: the convention of Jenkins' plugin "JUnit Attachments", which other tools follow.
"""

import re

from tickets.results.node import Node

#: Most that one node may name.
MOST = 100

_MARK = "[[ATTACHMENT|"
_LINE = re.compile(r"^[ \t]*\[\[ATTACHMENT\|([^\r\n]{1,1000}?)\]\][ \t]*\r?$", re.MULTILINE)
_OUTPUTS = ("system-out", "system-err")


def of(node: Node) -> list[str]:
    """Return the paths that the kept output of a node names, each once, in order."""
    if not node.metadata:
        return []
    found: dict[str, None] = {}
    for name in _OUTPUTS:
        text = node.metadata.get(name, "")
        if _MARK in text:
            found.update(dict.fromkeys(_LINE.findall(text)))
    return list(found)[:MOST]
