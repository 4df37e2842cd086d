"""Import results in process, as a worker does."""

import uuid
from typing import Any

from django.core.files.base import ContentFile

from backgroundtasks.handlers import TaskContext
from tickets import uploads
from tickets.handlers.automated_test_import import AutomatedTestImport
from tickets.models import AutomatedTestAssignment, AutomatedTestRun


class _Silent:
    """Stands for the engine, and says nothing."""

    def say(self, *line: Any) -> None: ...

    def remember(self, memory: dict[str, Any]) -> None: ...

    def stopping(self, *, safe: bool) -> None: ...


def imported(assignment: AutomatedTestAssignment, content: bytes) -> AutomatedTestRun:
    """Upload and import results; return the run. Raises TaskFailed as the handler does."""
    name = uploads.new_name(assignment.account_id)
    uploads.save(name, ContentFile(content))
    context = TaskContext(
        _Silent(),
        run_id=uuid.uuid4(),
        task_id=uuid.uuid4(),
        account_id=assignment.account_id,
        user_id=None,
        attempt=1,
    )
    outcome = AutomatedTestImport().perform(
        context, {"AutomatedTestAssignmentId": assignment.pk, "ResultsPath": name}
    )
    return AutomatedTestRun.objects.get(pk=outcome.result["AutomatedTestRunId"])
