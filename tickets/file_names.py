"""Names and media types that clients give their files, made fit to be kept and to be sent again."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from typing import Final

#: Characters; what is longer is cut in front of its extension.
LONGEST: Final = 255
#: What a file without a usable name is called.
UNNAMED: Final = "attachment"
#: Of a file whose type nobody knows.
UNKNOWN: Final = "application/octet-stream"

_LONGEST_EXTENSION: Final = 20
#: Control characters and halves of surrogate pairs; marks that turn the direction of a text around,
#: so that `exe.txt` can be made of `txt.exe`.
_UNWANTED: Final = {"Cc", "Cs", "Zl", "Zp"}
_TURNS: Final = frozenset(
    map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)
#: What the library itself knows, whatever tables this machine has.
_TYPES: Final = mimetypes.MimeTypes()
#: Source: RFC 6838, section 4.2.
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


def cleaned(name: str) -> str:
    """Return the name of a file: without folders, control characters and blanks around it."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(
        char for char in last if unicodedata.category(char) not in _UNWANTED and char not in _TURNS
    ).strip()
    if not kept.strip("."):
        return UNNAMED
    if len(kept) <= LONGEST:
        return kept
    stem, dot, extension = kept.rpartition(".")
    if not stem or len(extension) > _LONGEST_EXTENSION:
        return kept[:LONGEST]
    return stem[: LONGEST - len(dot + extension)] + dot + extension


def media_type(said: str, name: str) -> str:
    """Return a file's media type: as its client says, else as its name does."""
    if _TYPE.fullmatch(said) and said != UNKNOWN:
        return said
    guessed, coding = _TYPES.guess_type(name)
    # `x.svg.gz` is no image any more.
    return UNKNOWN if guessed is None or coding else guessed
