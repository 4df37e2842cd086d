"""django-q2's cluster, made to survive what it must survive."""

from __future__ import annotations

import logging
import os
import signal
import time
import warnings
from contextlib import nullcontext
from multiprocessing import RawValue
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from backgroundtasks import conf
from backgroundtasks.engine import drain, process
from backgroundtasks.engine.packet_queue import PacketQueue
from backgroundtasks.engine.turn import Turn

with warnings.catch_warnings():
    # It warns at import of a time-out that we do not use.
    warnings.simplefilter("ignore")
    from django_q import cluster as stock
    from django_q.conf import Conf

    from backgroundtasks.engine.broker import WorkBroker

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

#: After the grace, for the kernel to reap what was killed.
_REAP: Final = 5.0
_GUARD_CYCLE: Final = 0.2
#: Wake-ups after which a worker is replaced, should a handler leak memory.
_RECYCLE: Final = 10_000


class StopFlag:
    """When stopping was asked for, in memory that all processes of a cluster share."""

    def __init__(self) -> None:
        # No lock: one process writes, and a double is written whole.
        self._asked_at = RawValue("d", 0.0)

    def set(self) -> None:
        """Ask every process of the cluster to stop."""
        self._asked_at.value = time.monotonic()

    @property
    def age(self) -> float | None:
        """Return seconds since it was set (the clock is the machine's); None while it is not."""
        asked_at: float = self._asked_at.value
        return time.monotonic() - asked_at if asked_at else None


class _Untimed:
    """Stands in for the timer that guard and worker share under a lock: a trap when killed."""

    value = -1.0

    def get_lock(self) -> Any:
        return nullcontext()


class Sentinel(stock.Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """Keeps pusher, monitor and workers alive; ends with its parent and takes all with it."""

    #: Set before the fork; the stock constructor runs the whole life inside itself.
    stop_flag: StopFlag
    turn: Turn
    queues: Sequence[str]
    pusher: Any
    monitor: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        process.die_with_parent()
        super().__init__(*args, **kwargs)

    def start(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        super().start()

    def spawn_process(self, target: Any, *args: Any) -> Any:
        child = stock.get_mp_context().Process(
            target=_child, args=(target, *args), name=getattr(target, "__name__", "child")
        )
        child.daemon = True
        if target is stock.worker:
            child.daemon = False
            child.timer = args[2]
            self.pool.append(child)
        child.start()
        return child

    def spawn_pusher(self) -> Any:
        self.broker.tokens = self.task_queue
        return super().spawn_pusher()

    def spawn_worker(self) -> None:
        drain.prepare(self.queues, stop_flag=self.stop_flag, tokens=self.task_queue, turn=self.turn)
        self.spawn_process(stock.worker, self.task_queue, self.result_queue, _Untimed(), -1)

    def reincarnate(self, process: Any) -> None:
        if process.exitcode:
            logger.warning(
                "worker.replaced name=%s pid=%s exitcode=%s",
                process.name,
                process.pid,
                process.exitcode,
            )
        connections.close_all()
        if process is self.monitor:
            self.monitor = self.spawn_monitor()
        elif process is self.pusher:
            self.pusher = self.spawn_pusher()
        else:
            self.pool.remove(process)
            self.spawn_worker()

    def guard(self) -> None:
        self.start_event.set()
        while self.stop_flag.age is None:
            for child in [*self.pool, self.monitor, self.pusher]:
                if not child.is_alive():
                    self.reincarnate(child)
            self.stop_event.wait(_GUARD_CYCLE)
        self.stop()

    def stop(self) -> None:
        self.pusher.kill()
        for _ in self.pool:
            self.task_queue.put("STOP")
        grace = conf.STOP_GRACE.total_seconds()
        while any(child.is_alive() for child in self.pool) and (self.stop_flag.age or 0) < grace:
            time.sleep(0.02)
        for child in self.pool:
            if child.is_alive():
                logger.error("worker.killed pid=%s; it did not stop within its grace", child.pid)
                _kill_group(child.pid)
        self.monitor.kill()
        for child in [*self.pool, self.monitor, self.pusher]:
            child.join(_REAP)
        self.task_queue.close()
        self.result_queue.close()


class Cluster:
    """A sentinel with its workers, started and stopped from the worker command."""

    def __init__(self, *, workers: int, queues: Sequence[str]) -> None:
        Conf.WORKERS = workers
        Conf.SCHEDULER = False
        Conf.SAVE_LIMIT = -1
        Conf.QUEUE_LIMIT = None
        Conf.GUARD_CYCLE = _GUARD_CYCLE
        Conf.RECYCLE = _RECYCLE
        # `stock.Cluster` and `stock.Sentinel` look these names up in their module.
        stock.Queue = PacketQueue
        stock.Sentinel = Sentinel
        Sentinel.stop_flag = self.stop_flag = StopFlag()
        Sentinel.turn = Turn()
        Sentinel.queues = queues
        self._stock = stock.Cluster(WorkBroker(queues))

    def start(self) -> bool:
        """Fork the sentinel and wait until its workers are there; return whether it lived so long."""
        for alias in connections:
            # With 0, Django's default, every wake-up of a worker would connect anew.
            connections.settings[alias]["CONN_MAX_AGE"] = None
            # A claim comes before every handler, and mends a broken connection.
            connections.settings[alias]["CONN_HEALTH_CHECKS"] = False
        connections.close_all()
        try:
            self._stock.start()
        except RuntimeError:
            return False  # django-q2 has logged how it ended
        return True

    @property
    def is_alive(self) -> bool:
        """Whether the sentinel runs."""
        return bool(self._stock.sentinel.is_alive())

    def stop(self) -> bool:
        """
        Stop everything: running work gets its grace, then it is killed.

        Returns:
            Whether the sentinel ended by itself and in time.
        """
        self.stop_flag.set()
        self._stock.stop_event.set()
        sentinel = self._stock.sentinel
        sentinel.join(conf.STOP_GRACE.total_seconds() + 2 * _REAP)
        if sentinel.is_alive():
            sentinel.kill()
            sentinel.join(_REAP)
        return bool(sentinel.exitcode == 0)


def _child(target: Any, *args: Any) -> None:
    """Run a process of the cluster: only its parent tells it to stop, and it ends with it."""
    process.die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not SIG_IGN: programs that a handler starts would inherit it and be deaf.
        signal.signal(number, _pass_over)
    if target is stock.worker:
        os.setpgid(0, 0)
        drain.begin()
    target(*args)
    if target is stock.worker:
        drain.end()


def _kill_group(pid: int) -> None:
    started = process.started(pid)
    if started is not None:
        process.kill(pid, started)


def _pass_over(*_signal: Any) -> None:
    """Do nothing: the stop flag tells."""
