import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.support.trackers.builtin import BuiltinPlace
from tests.support.trackers.github import FakeGithub, GithubPlace
from tests.support.trackers.jira import FakeJira, JiraPlace
from tests.support.trackers.redmine import MISSING, RedminePlace, RedmineServer, is_installed
from tests.support.trackers.roundup import RoundupPlace, RoundupServer


@pytest.fixture(scope="session")
def roundup_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoundupServer]:
    """Return a real Roundup, started for the first test that asks for one."""
    server = RoundupServer(Path(tmp_path_factory.mktemp("roundup")) / "home")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redmine_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedmineServer]:
    """Return a real Redmine; where there is none, skip, or fail with REQUIRE_TRACKERS."""
    if not is_installed():
        if os.environ.get("REQUIRE_TRACKERS"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    server = RedmineServer(tmp_path_factory.mktemp("redmine"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def fake_jiras() -> Iterator[dict[str, FakeJira]]:
    """Return a Jira of each edition."""
    servers = {edition: FakeJira(edition) for edition in ("cloud", "datacenter")}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def fake_github() -> Iterator[FakeGithub]:
    with FakeGithub() as server:
        yield server


@pytest.fixture(autouse=True)
def near_trackers(settings: Any) -> None:
    """Let connectors reach what runs on this machine."""
    settings.TICKETS = {
        **settings.TICKETS,
        "TRACKER_HTTP": True,
        "TRACKER_NETWORKS": ["127.0.0.0/8"],
    }


def _builtin(request: pytest.FixtureRequest) -> BuiltinPlace:
    return BuiltinPlace()


def _roundup(request: pytest.FixtureRequest) -> RoundupPlace:
    return RoundupPlace(request.getfixturevalue("roundup_server"))


def _redmine(request: pytest.FixtureRequest) -> RedminePlace:
    return RedminePlace(request.getfixturevalue("redmine_server"))


def _jira_cloud(request: pytest.FixtureRequest) -> JiraPlace:
    return JiraPlace(request.getfixturevalue("fake_jiras")["cloud"])


def _jira_datacenter(request: pytest.FixtureRequest) -> JiraPlace:
    return JiraPlace(request.getfixturevalue("fake_jiras")["datacenter"])


def _github(request: pytest.FixtureRequest) -> GithubPlace:
    return GithubPlace(request.getfixturevalue("fake_github"))


PLACES = {
    "builtin": _builtin,
    "roundup": _roundup,
    "redmine": _redmine,
    "jira cloud": _jira_cloud,
    "jira data center": _jira_datacenter,
    "github": _github,
}


#: Started for real; they see nothing of our database, so one of the two is enough.
REAL = {"roundup", "redmine"}
ASKED = [name for name in PLACES if name not in REAL or connection.vendor == "sqlite"]


@pytest.fixture(params=ASKED)
def place(request: pytest.FixtureRequest, db: None) -> Any:
    """Return a tracker to try a connector against."""
    return PLACES[request.param](request)
