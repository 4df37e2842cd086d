"""What our API is compared with."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django_q.tasks import async_task
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from backgroundtasks.models import TaskStatus
from bench.stock.models import Job

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


def livez(_request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    return HttpResponse("ok")


def run(_request: HttpRequest, run_id: UUID) -> JsonResponse:
    """Read a run by its primary key, and show it: a bare view."""
    row = TaskStatus.objects.get(pk=run_id)
    return JsonResponse(
        {
            "Id": row.id,
            "Type": row.task_type,
            "State": row.state,
            "QueuedAt": row.queued_at,
            "StartedAt": row.started_at,
            "FinishedAt": row.finished_at,
            "Processed": row.processed,
            "Total": row.total,
            "Message": row.text,
            "Error": row.error,
        }
    )


def task(_request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Read a run with its task by its primary key, and answer what is said of it."""
    row = TaskStatus.objects.select_related("task").get(pk=run_id)
    return _answer(bool(row.task.title or row.state))


def statuses(_request: HttpRequest, count: int) -> HttpResponse:
    """Read a page of runs with all that belongs to them, and answer what is said of them."""
    runs = TaskStatus.objects.select_related("task", "owner", "parent__task")
    rows = list(runs.prefetch_related("messages").order_by("-position")[:count])
    return _answer(all(list(row.messages.all()) for row in rows))


def _answer(complete: bool) -> HttpResponse:  # noqa: FBT001 - nobody else calls it
    if not complete:
        raise LookupError("The rows are not as they were made.")
    return HttpResponse(_body(), content_type="application/json")


@cache
def _body() -> bytes:
    """Return the answer of ours, as the measure has put it down."""
    return (Path(os.environ["TASKCENTER_DATA_DIR"]) / "answer").read_bytes()


class NewJob(serializers.Serializer[Any]):
    """What is posted."""

    Type = serializers.CharField(max_length=100)
    Parameters = serializers.DictField(default=dict)


class Jobs(APIView):
    """Insert one row and call stock `async_task`; nobody is asked who they are."""

    authentication_classes: ClassVar[list[Any]] = []
    permission_classes: ClassVar[list[Any]] = []

    def post(self, request: Request) -> Response:
        """Start a task."""
        new = NewJob(data=request.data)
        new.is_valid(raise_exception=True)
        job = Job.objects.create(
            type=new.validated_data["Type"], parameters=new.validated_data["Parameters"]
        )
        task = async_task("bench.stock.tasks.nothing")
        return Response({"Id": job.pk, "Task": task}, status=202)
