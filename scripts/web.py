"""Serve the task center with granian: `python -m scripts.web`, settings from the environment."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from granian import Granian
from granian.constants import Interfaces

from scripts import death_signal

if TYPE_CHECKING:
    from collections.abc import Callable

# The path without its query string: tokens and passwords may stand there.
ACCESS_LOG = '%(time)s %(addr)s "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).1f ms'


def load(parent: int) -> Callable[..., object]:
    """Return the application, in a process that dies with the server's main process."""
    death_signal.ask_for(signal.SIGKILL, parent=parent)
    from taskcenter.wsgi import application  # noqa: PLC0415 - only once this process serves

    return application


def main() -> None:
    Granian(
        "taskcenter.wsgi:application",
        address=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT") or 8000),
        interface=Interfaces.WSGI,
        workers=int(os.environ.get("WEB_PROCESSES") or 2),
        websockets=False,
        log_access=os.environ.get("ACCESS_LOG", "1") != "0",
        log_access_format=ACCESS_LOG,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=5,
    ).serve(target_loader=_Loader(os.getpid()), wrap_loader=False)


class _Loader:
    """`load` for this parent; a class, because granian pickles it on Python 3.14."""

    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __call__(self) -> Callable[..., object]:
        return load(self.parent)


if __name__ == "__main__":
    main()
