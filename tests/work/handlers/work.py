"""Task types that do what their parameters order: for tests of the engine."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from rest_framework import serializers

from backgroundtasks.handlers import (
    Interrupted,
    Outcome,
    SecretField,
    TaskContext,
    TaskFailed,
    TaskHandler,
    permissions,
)


class Orders(serializers.Serializer[Any]):
    """What to do, in this order."""

    Mark = serializers.CharField(required=False, help_text="file that gets a line per execution")
    Steps = serializers.IntegerField(default=0, help_text="checkpoints to pass, 10 ms each")
    Safe = serializers.BooleanField(default=False, help_text="the checkpoints are safe ones")
    Swallow = serializers.BooleanField(default=False, help_text="ignore every interruption")
    Sleep = serializers.FloatField(default=0, help_text="seconds to sleep without looking")
    Until = serializers.CharField(
        required=False,
        help_text="file that ends the steps; after them it is waited for, for half a minute, "
        "without looking",
    )
    Block = serializers.FloatField(default=0, help_text="seconds to block all threads in C")
    Transaction = serializers.FloatField(
        default=0, help_text="seconds in a transaction that says something and is rolled back"
    )
    Fail = serializers.CharField(required=False)
    Temporary = serializers.BooleanField(default=False)
    Crash = serializers.CharField(required=False)
    KillAtAttempt = serializers.IntegerField(default=0, help_text="kill -9 itself in this attempt")
    KillAlways = serializers.BooleanField(default=False, help_text="kill -9 itself every time")
    Warn = serializers.CharField(required=False)
    Result = serializers.JSONField(required=False)
    Secret = SecretField(required=False)
    Key = serializers.CharField(required=False)


class Work(TaskHandler):
    """Do what the parameters order, once."""

    task_type = "Work"
    permissions = (permissions.Role("member"),)
    timeout = timedelta(seconds=60)
    Parameters = Orders

    @classmethod
    def exclusive_key(cls, parameters: Any) -> str | None:
        return parameters.get("Key")

    def perform(  # noqa: C901, PLR0912 - one line per order
        self, context: TaskContext, parameters: dict[str, Any]
    ) -> Outcome | None:
        orders = parameters
        if "Mark" in orders:
            with Path(orders["Mark"]).open("a") as file:
                file.write(f"{context.run_id} {context.attempt} {os.getpid()}\n")
        if orders["KillAlways"] or orders["KillAtAttempt"] == context.attempt:
            os.kill(os.getpid(), signal.SIGKILL)
        first = context.memory.get("step", 0)
        for step in range(first, orders["Steps"]):
            if "Until" in orders and Path(orders["Until"]).exists():
                break
            context.progress(step, orders["Steps"], f"step {step}")
            try:
                context.checkpoint(safe=orders["Safe"])
            except Interrupted:
                if not orders["Swallow"]:
                    context.remember(step=step)
                    raise
            time.sleep(0.01)
        if orders["Sleep"]:
            time.sleep(orders["Sleep"])
        if "Until" in orders:
            until = time.monotonic() + 30
            while not Path(orders["Until"]).exists() and time.monotonic() < until:
                time.sleep(0.01)
        if orders["Transaction"]:
            with transaction.atomic():
                context.message("info", "work.said", "Said in a transaction.")
                time.sleep(orders["Transaction"])
                transaction.set_rollback(connection.vendor == "postgresql")
        if orders["Block"]:
            # PyDLL keeps the interpreter's lock: no other thread runs.
            ctypes.PyDLL(None).usleep(int(orders["Block"] * 1_000_000))
        if "Crash" in orders:
            raise RuntimeError(orders["Crash"])
        if "Fail" in orders:
            raise TaskFailed(orders["Fail"], temporary=orders["Temporary"])
        if orders["Steps"]:
            context.progress(orders["Steps"], orders["Steps"])
        return Outcome(
            result=orders.get("Result") or {}, warnings=[orders["Warn"]] if "Warn" in orders else []
        )


class AgainWork(Work):
    """Do what the parameters order; it may run again."""

    task_type = "AgainWork"
    idempotent = True
    max_attempts = 3
    backoff = timedelta(seconds=0.2)


class PausableWork(Work):
    """Do what the parameters order; it may be paused at a safe checkpoint."""

    task_type = "PausableWork"
    pausable = True


class PausableAgainWork(AgainWork):
    """Do what the parameters order; it may be paused, and run again."""

    task_type = "PausableAgainWork"
    pausable = True


class ShortWork(AgainWork):
    """Do what the parameters order, in batches."""

    task_type = "ShortWork"
    short = True


class QuickTimeout(Work):
    """Do what the parameters order, within a second."""

    task_type = "QuickTimeout"
    timeout = timedelta(seconds=1)


class OwnersWork(Work):
    """Do what the parameters order; only the owner sees it."""

    task_type = "OwnersWork"

    @classmethod
    def visible_to(cls, actor: Any) -> Q:
        return Q(owner=actor.user)


class OneAtATime(Work):
    """Refuse a second one of the same key while one is unfinished."""

    task_type = "OneAtATime"
    refuse_while_unfinished = True


class NobodysWork(TaskHandler):
    """Names no permission, so nobody may start it."""

    task_type = "NobodysWork"


class Urgent(Work):
    """Goes before the others of its queue."""

    task_type = "Urgent"
    priority = 50


class SideWork(Work):
    """Has a queue of its own."""

    task_type = "SideWork"
    queue = "side"


class Noop(TaskHandler):
    """Nothing, in batches."""

    task_type = "Noop"
    permissions = (permissions.Role("member"),)
    idempotent = True
    short = True

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> None:
        return None


class SingleNoop(Noop):
    """Nothing, one at a time."""

    task_type = "SingleNoop"
    short = False
