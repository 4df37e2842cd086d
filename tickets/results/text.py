"""Text of one node, kept to a limit in bytes with a visible mark where it was cut."""

#: What is kept of all text of one node, in bytes of UTF-8, the mark included.
NODE_LIMIT = 64 * 1024

#: What is kept of a name, in characters.
NAME_LIMIT = 1_000


def size(text: str) -> int:
    """Return the length in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def cut(text: str, limit: int, whole: int | None = None) -> str:
    """
    Return `text` in at most `limit` bytes, marked where it was cut.

    Args:
        text: What there is; perhaps already only the beginning.
        limit: In bytes; the mark counts. Below the mark's length only the mark is left.
        whole: The length before anything was cut, in bytes, when `text` is a beginning.
    """
    length = size(text)
    whole = length if whole is None else whole
    if whole <= limit and length == whole:
        return text
    mark = f"\n[cut here: {whole:,} bytes in all]"
    kept = text.encode()[: max(limit - len(mark), 0)].decode(errors="ignore")
    return kept + mark


def short(name: str) -> str:
    """Return a name of at most `NAME_LIMIT` characters, with an ellipsis where it was cut."""
    return name if len(name) <= NAME_LIMIT else name[: NAME_LIMIT - 1] + "…"


class BoundedText:
    """Collects pieces, keeps the first `NODE_LIMIT` bytes of them, counts the rest."""

    __slots__ = ("_kept", "_parts", "seen")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._kept = 0
        self.seen = 0  #: bytes added, kept or not

    def add(self, piece: str) -> None:
        """Add a piece; beyond the limit it only counts."""
        length = size(piece)
        self.seen += length
        room = NODE_LIMIT - self._kept
        if length <= room:
            self._parts.append(piece)
            self._kept += length
        elif room > 0:
            self._parts.append(piece.encode()[:room].decode(errors="ignore"))
            self._kept = NODE_LIMIT

    def value(self, limit: int = NODE_LIMIT) -> str:
        """Return what was kept, without blanks around it, in at most `limit` bytes."""
        text = "".join(self._parts)
        if self.seen > self._kept or self._kept > limit:
            return cut(text, limit, self.seen)
        return text.strip()
