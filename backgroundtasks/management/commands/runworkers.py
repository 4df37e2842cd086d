"""Run the workers in the foreground."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from backgroundtasks import conf
from backgroundtasks.handlers import registry
from backgroundtasks.worker.supervisor import Supervisor

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Start worker processes; SIGTERM or Ctrl-C stops them, running work gets its grace."""

    help = "Run workers in the foreground until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the number of workers and the queues."""
        parser.add_argument("--workers", type=int, default=None, help="worker processes")
        parser.add_argument(
            "--queues", default="", help="comma-separated; all queues of the handlers by default"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run until told to stop, and exit with the truth."""
        if not sys.platform.startswith("linux"):
            raise CommandError(
                "The worker command needs Linux (process groups, death signals, packet sockets)."
            )
        workers = conf.WORKERS if options["workers"] is None else options["workers"]
        if workers < 1:
            raise CommandError(f"--workers: at least 1, not {workers}.", returncode=2)
        queues = [name.strip() for name in options["queues"].split(",") if name.strip()]
        if not queues:
            queues = sorted({"default"} | {h.queue for h in registry.all_handlers()})
        sys.exit(Supervisor(workers=workers, queues=queues).run())
