"""A test's processes: what does not start is not left behind for the next test."""

from __future__ import annotations

import pytest

from tests.support import http, workers

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("module, name", [(workers, "WorkerCommand"), (http, "Server")])
def test_what_does_not_start_in_time_is_killed(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    monkeypatch.setattr(module, "START_LIMIT", 0.0)
    started = getattr(module, name)()

    with pytest.raises(AssertionError, match="Waited 0 s in vain"), started:
        pass

    assert started.process.poll() is not None


def test_a_command_that_ends_at_once_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(AssertionError, match=r"The command has ended\."),
        workers.WorkerCommand("--nonsense"),
    ):
        pass

    assert "unrecognized arguments: --nonsense" in capsys.readouterr().err
