"""Encodings that expat does not know: recoded to UTF-8 on the way in."""

import codecs
import re
from collections.abc import Iterable, Iterator

from tickets.results.exceptions import ReportMalformed

#: What expat decodes by itself.
NATIVE = {"utf-8", "utf-16", "utf-16-be", "utf-16-le", "iso8859-1", "ascii"}

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


def foreign_encoding(head: bytes) -> str | None:
    """Return the encoding declared in the first bytes of a report, if expat needs help with it."""
    declared = _DECLARED.match(head.removeprefix(codecs.BOM_UTF8))
    if declared is None:
        return None
    name = declared[1].decode("ascii")
    try:
        codec = codecs.lookup(name)
        "".encode(name)  # refuses codecs that are no text encodings, such as zip
    except LookupError:
        raise ReportMalformed(f"its encoding {name!r} is not known") from None
    return None if codec.name in NATIVE else codec.name


def recode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the same text as UTF-8; raises ReportMalformed at bytes that mean nothing in `encoding`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise ReportMalformed(f"it is not the {encoding} that it declares to be") from None
