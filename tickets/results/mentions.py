"""
Files that a test names in what it printed: a line `[[ATTACHMENT|/where/it/was/screen.png]]`.

Source: the convention of Jenkins' plugin "JUnit Attachments", which other tools follow.
"""

import re

from tickets.results.text import BoundedText

#: Most that one node may name.
MOST = 100

_MARK = "[[ATTACHMENT|"
_LINE = re.compile(r"^[ \t]*\[\[ATTACHMENT\|([^\r\n]{1,1000}?)\]\][ \t]*\r?$", re.MULTILINE)
#: Characters of a line whose end has not come; one that names a file has less.
_LONGEST = 2_000


class Output(BoundedText):
    """
    What a test printed: its beginning, and the files that all of it names.

    A test prints their names when it has failed, behind all else, where nothing is kept any more.
    """

    __slots__ = ("_line", "_named")

    def __init__(self) -> None:
        super().__init__()
        self._line = ""
        self._named: dict[str, None] = {}

    def add(self, piece: str) -> None:
        """Add a piece; lines may go on in the next one."""
        super().add(piece)
        lines, _, rest = f"{self._line}{piece}".rpartition("\n")
        self._note(lines)
        self._line = rest[:_LONGEST]

    def named(self) -> list[str]:
        """Return the paths that it names, each once, in order, at most `MOST`."""
        self._note(self._line)
        return list(self._named)[:MOST]

    def _note(self, lines: str) -> None:
        if _MARK in lines and len(self._named) < MOST:
            self._named.update(dict.fromkeys(_LINE.findall(lines)))
