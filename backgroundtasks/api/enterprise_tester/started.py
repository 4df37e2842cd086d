"""The answer to everything that starts a task: 202, its `Location`, and how it stands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rest_framework.response import Response

from backgroundtasks import exceptions
from backgroundtasks.api.enterprise_tester import links, reading
from backgroundtasks.api.enterprise_tester.vocabulary import Run, represent

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor
    from backgroundtasks.operations import Submission


def represented(request: HttpRequest | Request, run: Run) -> dict[str, Any]:
    """Return a run's representation with the links of this request."""
    return represent(run, links.below(request, "backgroundtask"), partial(links.by_id, request))


def snapshot(actor: Actor, submission: Submission) -> Run:
    """Return the run of a submission; one that an idempotency key led to is read again."""
    if submission.created:
        return Run.fresh(submission)
    run = reading.find_run(actor, submission.run_id)
    if run is None:
        raise exceptions.RunNotFound(submission.run_id)
    return run


def started(request: Request, submission: Submission) -> Response:
    """
    Return the answer to a submission: 202, `Location` equal to `Self`, the representation.

    Args:
        request: Of a `ResourceView`; its actor may see the run.
        submission: What `operations.submit` returned.
    """
    actor: Any = request.auth
    body = represented(request, snapshot(actor, submission))
    return Response(body, 202, headers={"Location": body["Self"]})
