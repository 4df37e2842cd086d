"""Every measure: a name, and what it does on one database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.measures.backups import backups
from bench.measures.bulk import bulk
from bench.measures.cleaning import cleaning
from bench.measures.dialects import dialects
from bench.measures.engine import engine
from bench.measures.http import http
from bench.measures.imports import imports
from bench.measures.linking import linking
from bench.measures.pages import pages
from bench.measures.progress import progress
from bench.measures.reindex import reindex
from bench.measures.samples import samples
from bench.measures.schedules import schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.context import Bench
    from bench.table import Line

MEASURES: Final[dict[str, Callable[[Bench], Iterator[Line]]]] = {
    "engine": engine,
    "progress": progress,
    "http": http,
    "dialects": dialects,
    "import": imports,
    "linking": linking,
    "reindex": reindex,
    "samples": samples,
    "bulk": bulk,
    "list": pages,
    "backup": backups,
    "cleaning": cleaning,
    "schedules": schedules,
}
#: These put SQLite's file back as it was: nobody else may have it open.
ALONE: Final = frozenset({"reindex"})
