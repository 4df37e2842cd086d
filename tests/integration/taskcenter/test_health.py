"""`/livez` and `/readyz`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from backgroundtasks import clock
from backgroundtasks.models import Worker
from taskcenter import health


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)


def worker(beat_ago: timedelta = timedelta(0), **also: object) -> Worker:
    return Worker.objects.create(
        host="here", host_id="boot", pid=7, beat_at=clock.now() - beat_ago, **also
    )


def test_livez_asks_no_database(client: Client) -> None:
    # pytest-django lets nothing reach the database in a test without its mark.
    answer = client.get("/livez")

    assert answer.status_code == 200
    assert answer.content == b"ok\n"


def test_probes_need_no_tls_where_everything_else_does(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/livez").status_code == 200
    assert client.get("/metrics").status_code == 301


@pytest.mark.django_db
class TestReadyz:
    def test_is_ready_when_migrated_and_a_worker_beats(self, client: Client) -> None:
        worker()

        answer = client.get("/readyz")

        assert answer.status_code == 200
        assert answer.json() == {
            "ready": True,
            "checks": {
                "open": {"ok": True},
                "database": {"ok": True},
                "migrations": {"ok": True},
                "workers": {"ok": True},
            },
        }
        assert "no-store" in answer["Cache-Control"]

    def test_says_that_no_worker_ever_ran(self, client: Client) -> None:
        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json()["checks"]["workers"] == {
            "ok": False,
            "advice": "No worker has ever run here: start `manage.py runworkers`.",
        }

    def test_says_when_the_last_worker_was_heard_of(self, client: Client) -> None:
        worker(beat_ago=timedelta(minutes=2))

        answer = client.get("/readyz")

        assert answer.status_code == 503
        advice = answer.json()["checks"]["workers"]["advice"]
        assert advice == ("The last worker was heard of 120 s ago: start `manage.py runworkers`.")

    def test_does_not_count_a_worker_that_has_stopped(self, client: Client) -> None:
        worker(stopped_at=clock.now())

        assert client.get("/readyz").status_code == 503

    def test_says_that_migrations_are_missing(self, client: Client) -> None:
        worker()
        [newest] = MigrationLoader(connection).graph.leaf_nodes("backgroundtasks")
        MigrationRecorder(connection).record_unapplied(*newest)

        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert "run `manage.py migrate`" in answer.json()["checks"]["migrations"]["advice"]

    def test_looks_for_migrations_until_all_are_there_and_then_no_more(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        worker()
        client.get("/readyz")

        with django_assert_num_queries(2):  # the database, the workers
            assert client.get("/readyz").status_code == 200

    def test_says_that_the_database_is_away(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse() -> None:
            raise OperationalError("connection refused\nIs the server running?")

        monkeypatch.setattr(health.connection, "ensure_connection", refuse)

        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json() == {
            "ready": False,
            "checks": {
                "open": {"ok": True},
                "database": {
                    "ok": False,
                    "advice": "The database does not answer (connection refused). "
                    "Start it, or mend DATABASE_URL.",
                },
            },
        }
