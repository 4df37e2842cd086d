"""`manage.py rotate_data_keys`: a new key for everything that is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError
from pytest_django import Settings

from backgroundtasks import operations
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Task, TaskStatus
from tests.support import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "data_keys"
    path.write_text(Fernet.generate_key().decode() + "\n")
    settings.TASKCENTER = settings.TASKCENTER | {"DATA_KEYS": [], "DATA_KEYS_FILE": path}
    return path


def stored_secret(text: str = "hunter2") -> Task:
    submission = operations.submit(factories.actor(), "Work", {"Secret": text, "Steps": 2})
    return TaskStatus.objects.select_related("task").get(pk=submission.run_id).task


def parameters(task: Task) -> Any:
    task.refresh_from_db()
    return task.parameters


def test_puts_a_new_key_in_front_and_keeps_the_old_one(
    keys: Path, shell: Callable[..., str]
) -> None:
    old = keys.read_text().split()

    shell("rotate_data_keys")

    new = keys.read_text().split()
    assert new[1:] == old
    assert len(new) == 2
    assert keys.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in keys.parent.iterdir()] == ["data_keys"]


def test_encrypts_everything_anew_in_batches(keys: Path, shell: Callable[..., str]) -> None:
    tasks = [stored_secret(f"secret {n}") for n in range(3)]
    many = operations.submit_many(factories.actor(), "Work", ({"Secret": "s"} for _ in range(150)))
    plain = operations.submit(factories.actor(), "Work", {})
    before = [parameters(task)["Secret"] for task in tasks]

    printed = shell("rotate_data_keys")

    assert printed == "Encrypted the secrets of 153 rows anew.\n"
    assert len(many) == 150
    assert plain.created
    first_key = keys.read_text().split()[0]
    keys.write_text(first_key)  # the old one is gone: what it sealed cannot be read any more
    for n, task in enumerate(tasks):
        sealed = parameters(task)["Secret"]
        assert sealed != before[n]
        assert secrets.unseal(sealed) == f"secret {n}"
        assert parameters(task)["Steps"] == 2


def test_a_running_process_notices_the_new_key(keys: Path, shell: Callable[..., str]) -> None:
    task = stored_secret()
    assert secrets.unseal(parameters(task)["Secret"]) == "hunter2"  # the keys are now cached

    shell("rotate_data_keys")

    assert secrets.unseal(parameters(task)["Secret"]) == "hunter2"


def test_refuses_when_the_keys_are_not_in_a_file(
    settings: Settings, shell: Callable[..., str]
) -> None:
    settings.TASKCENTER = settings.TASKCENTER | {"DATA_KEYS": [Fernet.generate_key().decode()]}
    task = stored_secret()
    before = parameters(task)

    with pytest.raises(CommandError) as refusal:
        shell("rotate_data_keys")

    assert str(refusal.value).startswith("The data keys come from the environment or the settings")
    assert parameters(task) == before


def test_reseals_under_a_key_that_an_operator_put_in_front(
    settings: Settings, shell: Callable[..., str]
) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.TASKCENTER = settings.TASKCENTER | {"DATA_KEYS": [old]}
    task = stored_secret()
    settings.TASKCENTER = settings.TASKCENTER | {"DATA_KEYS": [new, old]}

    shell("rotate_data_keys", "--reseal-only")

    settings.TASKCENTER = settings.TASKCENTER | {"DATA_KEYS": [new]}
    assert secrets.unseal(parameters(task)["Secret"]) == "hunter2"


def test_names_what_it_cannot_read_and_does_the_rest(
    keys: Path, shell: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    lost = stored_secret()
    keys.write_text(Fernet.generate_key().decode())
    kept = stored_secret("kept")
    before = parameters(lost)

    with pytest.raises(CommandError) as refusal:
        shell("rotate_data_keys")

    assert str(refusal.value) == (
        f"1 rows hold secrets that no data key opens: {lost.pk}. They stay as they are."
    )
    assert capsys.readouterr().out == "Encrypted the secrets of 1 rows anew.\n"
    assert parameters(lost) == before
    assert secrets.unseal(parameters(kept)["Secret"]) == "kept"
