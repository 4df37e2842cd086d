"""
Run the task center in the foreground: web server and workers, until it is told to stop.

`make up` calls `python -m scripts.up`. It prepares the database, makes the first account,
starts both services, starts again what died, and on Ctrl-C or SIGTERM stops the web server,
then the workers. No process outlives it, even when it is killed with -9: each service asks
the kernel for a signal at its parent's death. Standard library only.

Exit code: 0 when it was told to stop and everything ended by itself; else 1.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from scripts import death_signal

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
MANAGE = (sys.executable, str(ROOT / "manage.py"))

TICK = timedelta(milliseconds=200)
READY_WITHIN = timedelta(seconds=60)
# A service that lived this long had not failed to start: its next start is prompt again.
HEALTHY_AFTER = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(seconds=30)
WEB_GRACE = timedelta(seconds=8)  # granian kills its own processes after 5
WORKERS_GRACE = timedelta(seconds=30)  # the worker command gives running work 25

STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class CannotStart(Exception):
    """Something is missing or taken; the text says what, and what to do."""


def say(text: str) -> None:
    print(f"up: {text}", flush=True)


# --- before anything runs ------------------------------------------------------------------------


def wanted_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not (text.isascii() and text.isdigit() and int(text) in range(1, 65536)):
        raise CannotStart(f"PORT={text} is no port: give a number from 1 to 65535.")
    return int(text)


def refuse_a_taken_port(port: int) -> None:
    """Raise CannotStart unless this port could be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"Port {port} is taken: is the task center running already?\n"
                    f"Stop what listens there, or choose another one: PORT={port + 1} make up"
                ) from error
            raise CannotStart(f"Cannot listen on port {port}: {error.strerror}.") from error


def data_dir() -> Path:
    folder = Path(os.environ.get("TASKCENTER_DATA_DIR") or ROOT / "var")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"Cannot make the data folder {folder}: {error.strerror}.") from error
    return folder


def refuse_while_closed(folder: Path) -> None:
    """Raise CannotStart while the installation is closed: its data may be half replaced."""
    place = Path(os.environ.get("TASKCENTER_MAINTENANCE_DIR") or folder / "maintenance")
    if (place / "closed").exists():
        raise CannotStart(
            "The installation is closed for maintenance.\n"
            f"Open it with: {' '.join(MANAGE)} maintenance off"
        )


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[Callable[[], None]]:
    """Hold the data folder's start-up lock; what is yielded releases it early."""
    with (folder / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)


def prepare() -> None:
    """Bring the database up to date and make the first account where there is none."""
    say("Preparing the database …")
    manage("migrate", "--no-input", "--verbosity", "0", failure="The database cannot be prepared")
    manage("bootstrap", failure="The first account cannot be made")


def manage(*command: str, failure: str) -> None:
    """Run a management command; its output is shown, its errors only by their last line."""
    done = subprocess.run(
        [*MANAGE, *command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=partial(in_child, os.getpid()),  # safe: this process has one thread
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CannotStart(
            f"{failure}: {lines[-1]}\nThe whole error: {' '.join([*MANAGE, *command])}"
        )
    sys.stderr.write(done.stderr)


def in_child(parent: int) -> None:
    """Prepare a process between fork and exec: no signal blocked, and none without a parent."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    death_signal.ask_for(signal.SIGTERM, parent=parent)


# --- services ------------------------------------------------------------------------------------


@dataclass
class Service:
    """A command that is to run until the end, in a process group of its own."""

    name: str
    command: tuple[str, ...]
    grace: timedelta
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0  #: monotonic seconds
    start_at: float = field(default=0.0)  #: monotonic seconds; not before

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            process_group=0,
            stdin=subprocess.DEVNULL,
            preexec_fn=partial(in_child, os.getpid()),
        )

    def reap(self) -> int | None:
        """
        Return the exit code when the service has just ended, None while it runs.

        What is left of its process group is killed before its process id is given back,
        so that the signal can reach nobody else.
        """
        if self.process is None:
            return None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, self.process.pid, flags) is None:
            return None
        self.kill()
        code = self.process.wait()
        self.process = None
        return code

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def note_failure(self, code: int) -> timedelta:
        """Plan the next start; return the pause before it, 1 s doubling to `LONGEST_PAUSE`."""
        lived = time.monotonic() - self.started_at
        self.failures = 1 if lived >= HEALTHY_AFTER.total_seconds() else self.failures + 1
        pause = min(timedelta(seconds=2 ** min(self.failures - 1, 10)), LONGEST_PAUSE)
        self.start_at = time.monotonic() + pause.total_seconds()
        say(f"The {self.name} {ending(code)}; starting again in {pause.total_seconds():.0f} s.")
        return pause


def ending(code: int) -> str:
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


class Supervisor:
    """Keeps its services running, in the order given, until a signal says stop."""

    def __init__(self, port: int, on_settled: Callable[[], None]) -> None:
        self.port = port
        self.on_settled = on_settled  # called once: ready, or given up waiting for it
        self.web = Service("web server", (sys.executable, "-m", "scripts.web"), WEB_GRACE)
        self.workers = Service("worker command", (*MANAGE, "runworkers"), WORKERS_GRACE)
        self.services = (self.web, self.workers)
        self.settled = False
        self.began_at = time.monotonic()

    def run(self) -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPPING, signal.SIGCHLD})
        for service in self.services:
            service.start()
        while not self.told_to_stop(TICK):
            if not self.look_after():
                self.stop()
                return 1
        say("Stopping; running work gets its grace (again to stop at once) …")
        return self.stop()

    def told_to_stop(self, within: timedelta) -> bool:
        """Wait until a signal comes or the time is over; return whether it says stop."""
        came = signal.sigtimedwait({*STOPPING, signal.SIGCHLD}, within.total_seconds())
        return came is not None and came.si_signo in STOPPING

    def look_after(self) -> bool:
        """Start again what died; return False when the web server could not even start."""
        for service in self.services:
            code = service.reap()
            if code is not None:
                if service is self.web and not self.settled:
                    say(f"The web server {ending(code)} before it was ready.")
                    return False
                service.note_failure(code)
            if service.process is None and time.monotonic() >= service.start_at:
                service.start()
        if not self.settled:
            self.look_whether_ready()
        return True

    def look_whether_ready(self) -> None:
        status, text = ask(self.port, "/readyz")
        if status == http.client.OK:
            self.announce()
        elif time.monotonic() - self.began_at > READY_WITHIN.total_seconds():
            say(f"Not ready after {READY_WITHIN.total_seconds():.0f} s, still trying: {text}")
        else:
            return
        self.settled = True
        self.on_settled()

    def announce(self) -> None:
        base = f"http://{HOST}:{self.port}"
        say(f"Ready: {base}/api/ (operators: {base}/admin/). Ctrl-C stops everything.")

    def stop(self) -> int:
        """Stop the services one after the other; return 0 if each ended well by itself."""
        clean = [self.stop_one(service) for service in self.services]
        say("Stopped." if all(clean) else "Stopped, but not everything ended well.")
        return 0 if all(clean) else 1

    def stop_one(self, service: Service) -> bool:
        if service.process is None:
            return True
        service.signal(signal.SIGTERM)
        deadline = time.monotonic() + service.grace.total_seconds()
        while (code := service.reap()) is None:
            if self.told_to_stop(TICK) or time.monotonic() > deadline:
                say(f"The {service.name} did not stop in time; killing it.")
                service.kill()
                deadline += service.grace.total_seconds()
        if code not in {0, -signal.SIGKILL}:
            say(f"The {service.name} {ending(code)}.")
        return code == 0


def ask(port: int, path: str) -> tuple[int, str]:
    """Return status and text of a GET, or 0 and why there is no answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error) or type(error).__name__
    finally:
        connection.close()


def main() -> int:
    if "MAKELEVEL" in os.environ:  # stop with the `make` that started this
        death_signal.ask_for(signal.SIGTERM, parent=os.getppid())
    try:
        port = wanted_port()
        refuse_a_taken_port(port)
        with one_at_a_time(data_dir()) as release:
            refuse_while_closed(data_dir())
            refuse_a_taken_port(port)  # who held the lock may have taken it
            prepare()
            return Supervisor(port, release).run()
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
