"""The page about trackers leads from nothing to the first linked ticket, command by command."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts import readme
from tests.support.installation import Installation, environment, free_port, start
from tests.support.trackers import redmine
from tests.support.trackers.github import FakeGithub, GithubPlace
from tests.support.trackers.jira import FakeJira, JiraPlace

HOWTO = Path(__file__).resolve().parents[3] / "docs" / "howto"
INSTALLING = "pip install"

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(500),
    pytest.mark.skipif(sys.platform != "linux", reason="the workers are for Linux"),
    pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl"),
]


def sections(name: str) -> dict[str, str]:
    """Return a page's sections by their headings; what stands before the first has none."""
    first, *rest = (HOWTO / name).read_text().split("\n## ")
    return {"": first} | dict(part.split("\n", 1) for part in rest)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Installation]:
    """Start a task center as the page says for a tracker on the same machine."""
    page = sections("connect_a_tracker.md")["Roundup"]
    settings = ["TASKCENTER_TRACKER_NETWORKS=127.0.0.0/8", "TASKCENTER_TRACKER_HTTP=1"]
    assert f"`{' '.join(settings)} make up`" in page
    up = start(tmp_path / "data", "env", *settings, sys.executable, "-m", "scripts.up")
    try:
        up.wait_until_ready()
        yield up
    finally:
        up.end()


def walk(
    up: Installation, section: str, instead: dict[str, str], *, without: str = INSTALLING
) -> None:
    """
    Run the commands up to a failing test, and those of the section; compare what these print.

    Args:
        up: What they are run against.
        section: Its heading.
        instead: What stands for the page's examples here.
        without: Commands with this text are left out.
    """
    imports, trackers = sections("import_test_results.md"), sections("connect_a_tracker.md")
    before = (imports["Once: a place for the results"], imports["Upload"], trackers[""])
    prepare = [step for text in before for step in readme.steps(text)]
    steps = [step for step in readme.steps(trackers[section]) if without not in step.command]
    here = {
        readme.ADDRESS: f"http://127.0.0.1:{up.port}",
        readme.PYTHON: sys.executable,
        **instead,
        "var/": f"{up.data}/",
    }

    commands = [step.command for step in (*prepare, *steps)]
    ended = [*commands, "kill $(jobs -p)"]
    printed = readme.run(ended, environment(up.port, up.data), here)

    assert len(printed) == len(ended)
    shown = list(zip(steps, printed[len(prepare) :], strict=False))
    assert [step.output for step, _ in shown].count('  "State": "succeeded",\n') == 1, section
    for step, output in shown:
        if step.output:
            assert output == step.output, (step.command, printed)


def test_the_built_in_tracker_is_connected_as_the_page_says(up: Installation) -> None:
    walk(up, "The built-in tracker", {})


def test_roundup_is_installed_and_connected_as_the_page_says(up: Installation) -> None:
    programs = Path(sys.executable).parent
    instead = {
        # However the test ends, the server does.
        "var/roundup/bin/roundup-server": f"timeout 400 {programs}/roundup-server",
        "var/roundup/bin/": f"{programs}/",
        "8917": str(free_port()),
    }

    walk(up, "Roundup", instead)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start a Redmine; return what stands for it on the page, and what it is here."""
    if not redmine.is_installed():
        if os.environ.get("REQUIRE_TRACKERS"):
            pytest.fail(redmine.MISSING)
        pytest.skip(redmine.MISSING)
    folder = tmp_path / "redmine"
    folder.mkdir()
    server = redmine.RedmineServer(folder)
    try:
        issue: Any = server.client().issue.create(project_id="shop", subject="A broken box")
        yield {
            "https://redmine.example.org": server.url,
            "the API access key": server.keys["bot"],
            "#12": f"#{issue.id}",
        }
    finally:
        server.stop()


def test_redmine_is_connected_as_the_page_says(up: Installation, shop: dict[str, str]) -> None:
    walk(up, "Redmine", shop)


CLOUD, DATACENTER = "https://shop.atlassian.net", "https://bugs.example.org/jira"


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_jira_is_connected_as_the_page_says(up: Installation, edition: str) -> None:
    with FakeJira(edition) as server:
        place = JiraPlace(server)
        fields = {
            "project": {"key": "TST"},
            "issuetype": {"name": "Bug"},
            "summary": "A broken box",
        }
        issue = place.client().create_issue(fields=fields)
        known = place.connection
        # On the page it follows from the host, which is none of Atlassian's here.
        said = r', "Configuration": "{\"edition\": \"cloud\"}"'
        instead = {
            f'"{CLOUD}"': f'"{server.url}"{said}',
            DATACENTER: server.url,
            "the API token" if edition == "cloud" else "the personal access token": known.secret,
            "TST-123": issue.key,
        }
        if known.user_name:
            instead["tasks@example.org"] = known.user_name

        walk(up, "Jira", instead, without=DATACENTER if edition == "cloud" else CLOUD)

        assert len(place.links(issue.id)) == 1


def test_github_is_connected_as_the_page_says(up: Installation) -> None:
    with FakeGithub() as server:
        place = GithubPlace(server)
        known = place.connection
        issue = httpx.post(
            f"{server.url}/api/v3/repos/{known.project}/issues",
            json={"title": "A broken box"},
            headers={"Authorization": f"Bearer {known.secret}"},
        ).json()
        instead = {
            "https://github.com": server.url,
            "the token": known.secret,
            "owner/repository": known.project,
            "#12": f"#{issue['number']}",
        }

        walk(up, "GitHub", instead)

        assert len(place.links(str(issue["number"]))) == 1
