"""The processes of a cluster."""

from __future__ import annotations

import multiprocessing
import subprocess
from typing import Any

from backgroundtasks.engine import cluster


def _stop_a_child(answers: Any) -> None:
    child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    try:
        answers.send(child.wait(10))
    except subprocess.TimeoutExpired:
        child.kill()
        answers.send("it did not hear")


def test_what_a_handler_starts_can_be_stopped_with_a_signal() -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=cluster._child, args=(_stop_a_child, theirs)
    )
    process.start()
    try:
        assert ours.poll(20)
        assert ours.recv() == -15
    finally:
        process.kill()
        process.join()
