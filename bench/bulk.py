"""What the measures of bulk actions let our side do."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.db import transaction

from backgroundtasks.models import Worker
from bench import ours
from indexing import documents
from tickets.models import ExecutionPackage, Project, Script, ScriptAssignment

_BATCH = 1000


def fill(entities: int) -> dict[str, str]:
    """Store so many script assignments in one package, as the API would; return what is where."""
    account = ours._actor().account  # noqa: SLF001 - of this package
    project = Project.objects.create(account=account, name=f"Bulk {uuid.uuid4().hex}")
    packages = [
        ExecutionPackage.objects.create(account=account, project=project, name=name)
        for name in ("Nightly", "Copies", "Moved")
    ]
    documents.index(ExecutionPackage, [one.pk for one in packages])
    script = Script.objects.create(account=account, project=project, name="Refund")
    for start in range(0, entities, _BATCH):
        with transaction.atomic():
            rows = ScriptAssignment.objects.bulk_create(
                ScriptAssignment(account=account, script=script, package=packages[0])
                for _ in range(min(_BATCH, entities - start))
            )
            documents.index(ScriptAssignment, [row.pk for row in rows])
    return {"project": str(project.pk), **{one.name: str(one.pk) for one in packages}}


def act(parameters: dict[str, Any]) -> dict[str, float]:
    """
    Do a bulk action by a worker, from its start to its end.

    Returns:
        The entities and the seconds, and the most memory that a worker had meanwhile, in MB.
    """
    pids = list(Worker.objects.filter(stopped_at=None).values_list("pid", flat=True))
    for pid in pids:
        # From here on Linux counts the peak anew.
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    done = ours.result_of("bulkaction", parameters)
    peak = max((_peak(pid) for pid in pids), default=0.0)
    return {"done": done["values"]["Done"], "seconds": done["seconds"], "peak": peak}


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024
