"""`bulkaction`: many entities copied, moved, exported and deleted, each to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench

_COPIES: Final = "EntityType = TestScriptAssignment AND Package = Copies"
_MOVED: Final = "EntityType = TestScriptAssignment AND Package = Moved"
#: MB of a worker, whatever the number of entities.
_MOST: Final = 500


def bulk(bench: Bench) -> Iterator[Line]:
    """Yield entities a second of each command, by a worker, and the most memory that it had."""
    entities = bench.some(100_000, 300)
    made: dict[str, str] = bench.ours("bench.bulk.fill", entities=entities)
    commands: list[dict[str, Any]] = [
        {
            "commandName": "BulkCopy",
            "tql": "EntityType = TestScriptAssignment AND Package = Nightly",
            "targetPackageId": made["Copies"],
        },
        {"commandName": "BulkMove", "tql": _COPIES, "targetPackageId": made["Moved"]},
        {"commandName": "CsvExport", "tql": _MOVED},
        {"commandName": "BulkDelete", "tql": _MOVED},
    ]
    peaks: list[float] = []
    with bench.our_workers():
        for parameters in commands:
            done = bench.ours(
                "bench.bulk.act", parameters={**parameters, "projectId": made["project"]}
            )
            if done["done"] != entities:
                raise RuntimeError(f"{parameters['commandName']} did {done['done']:,}")
            peaks.append(done["peak"])
            title = f"{parameters['commandName']}, {entities:,} entities"
            yield Line(title, bench.vendor, "/s", [entities / done["seconds"]])
    yield Line(
        "its worker's memory", bench.vendor, "MB", [max(peaks)], goals=[Goal("<=", _MOST, "ours")]
    )
