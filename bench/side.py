"""
One side of a comparison: a process with Django set up, which calls functions by name.

Each side needs settings of its own, and Django has one set per process. The measures
themselves know no Django: they say what each side shall do, and when.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any, Self

from bench.processes import PATIENCE, ROOT, BenchFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Side:
    """Calls functions in a process of their own; arguments and results are JSON. A context."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.side"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        self._log = log

    def __call__(self, function: str, **arguments: Any) -> Any:
        """
        Call a function by its dotted name.

        Raises:
            BenchFailed: it raised; with the traceback.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([function, arguments]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchFailed(f"{function}: {self._log.read_text(errors='replace')[-2000:]}")
        result, error = json.loads(answer)
        if error is not None:
            raise BenchFailed(f"{function}: {error}")
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # its loop ends with its input
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()


def main() -> None:
    """Do what the input's lines say until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed goes to the log
    import django  # noqa: PLC0415 - only in this process

    django.setup()
    for line in sys.stdin:
        function, arguments = json.loads(line)
        result, error = None, None
        try:
            module, _, name = function.rpartition(".")
            result = getattr(importlib.import_module(module), name)(**arguments)
        except Exception:  # noqa: BLE001 - it is told to the other end
            error = traceback.format_exc()
        answers.write(json.dumps([result, error]) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
