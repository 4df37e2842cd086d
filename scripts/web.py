"""Serve the task center with granian: `python -m scripts.web`, settings from the environment."""

from __future__ import annotations

import copy
import gc
import logging
import os
import signal
from typing import TYPE_CHECKING, Any

from django.utils.log import CallbackFilter
from granian import Granian
from granian.constants import Interfaces
from granian.log import LOGGING_CONFIG, LogLevels

from scripts import death_signal

if TYPE_CHECKING:
    from collections.abc import Callable

# Open streams hold a thread each (`STREAMS` of them at most); the rest is for short requests.
THREADS = 80
# PostgreSQL connections of a server process, which its threads share.
POOL = "16"
# The path without its query string: tokens and passwords may stand there.
ACCESS_LOG = '%(time)s %(addr)s "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).1f ms'
PROBES = {"/livez", "/readyz"}
CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


class OneLine(logging.Formatter):
    """One record, one line: a path with line breaks or terminal codes in it cannot forge one."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).translate(CONTROL_CHARACTERS)


def is_no_probe(record: logging.LogRecord) -> bool:
    """Return whether a request is worth a line: a load balancer asks every few seconds."""
    return not (isinstance(record.args, dict) and record.args.get("path") in PROBES)


class Loader:
    """Gives each server process the application, and lets it die with its parent."""

    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __call__(self) -> Callable[..., object]:
        death_signal.ask_for(signal.SIGKILL, parent=self.parent)
        # The workers must not have it: a pool does not survive their fork.
        os.environ.setdefault("TASKCENTER_POOL", POOL)
        from taskcenter.wsgi import application  # noqa: PLC0415 - only in the serving process

        # What is loaded stays: the collector need not look at it again in the middle of requests.
        gc.collect()
        gc.freeze()
        return application


def logging_config() -> dict[str, Any]:
    """Return granian's own, with our formatter for the access log and without probes."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["access"] = {"()": OneLine}
    config["filters"] = {"no_probe": {"()": CallbackFilter, "callback": is_no_probe}}
    config["handlers"]["access"]["filters"] = ["no_probe"]
    return config


def main() -> None:
    Granian(
        "taskcenter.wsgi:application",
        address=os.environ.get("HOST") or "127.0.0.1",
        port=int(os.environ.get("PORT") or 8000),
        interface=Interfaces.WSGI,
        workers=int(os.environ.get("WEB_PROCESSES") or 2),
        blocking_threads=THREADS,
        websockets=False,
        # Starting and stopping is the supervisor's to tell.
        log_level=LogLevels.error,
        log_dictconfig=logging_config(),
        log_access=os.environ.get("ACCESS_LOG", "1") != "0",
        log_access_format=ACCESS_LOG,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=5,
    ).serve(target_loader=Loader(os.getpid()), wrap_loader=False)


if __name__ == "__main__":
    main()
