"""The worker command's life: start the cluster, keep house, stop with a true exit code."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError

from backgroundtasks import closed, conf
from backgroundtasks.engine import reaper
from backgroundtasks.engine.cluster import Cluster
from backgroundtasks.worker.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)


class Supervisor:
    """One worker command."""

    def __init__(self, *, workers: int, queues: Sequence[str]) -> None:
        self._workers = workers
        self._queues = queues
        self._asked = threading.Event()

    def run(self) -> int:
        """
        Work until SIGTERM or SIGINT, or until the installation is closed; wait while it is.

        Returns:
            The exit code: 0 when everything stopped as it should; 1 when the sentinel died or
            running work had to be killed.
        """
        cluster = Cluster(workers=self._workers, queues=self._queues)
        for number in (signal.SIGTERM, signal.SIGINT):
            # Only a flag: anything more in a signal handler can deadlock.
            signal.signal(number, self._ask)
        self._wait_until_open()
        if self._asked.is_set():
            return 0
        # What is there now is shared with the workers and need not be looked at by their
        # garbage collectors.
        gc.collect()
        gc.freeze()
        if not cluster.start():
            return self._lost()
        logger.info("workers.started workers=%s queues=%s", self._workers, ",".join(self._queues))
        keeper = Keeper()
        while not self._asked.is_set() and cluster.is_alive and not closed.is_closed():
            self._asked.wait(keeper.round())
        if closed.is_closed():
            logger.warning(
                "workers.closed; the command ends, started again it waits until it opens"
            )
        elif not self._asked.is_set():
            return self._lost()
        return self._stop(cluster)

    @staticmethod
    def _lost() -> int:
        logger.critical("workers.sentinel_died; the command ends, start it again")
        return 1

    def _wait_until_open(self) -> None:
        """Wait, without the database, while the installation is closed for maintenance."""
        if closed.is_closed():
            logger.warning("workers.wait_closed; they start when manage.py maintenance off is run")
        while closed.is_closed() and not self._asked.is_set():
            self._asked.wait(conf.KEEPER_INTERVAL.total_seconds())

    def _ask(self, *_signal: Any) -> None:
        self._asked.set()

    def _stop(self, cluster: Cluster) -> int:
        """Stop the cluster and settle what had to be killed."""
        logger.info("workers.stopping grace=%ss", conf.STOP_GRACE.total_seconds())
        in_time = cluster.stop()
        try:
            killed = reaper.reap_dead_workers(stopping=True)
        except DatabaseError:
            logger.exception("workers.unsettled; the next keeper settles what was left")
            return 1
        if killed or not in_time:
            logger.error("workers.stopped killed_runs=%s", killed)
            return 1
        logger.info("workers.stopped")
        return 0
