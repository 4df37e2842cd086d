"""Every request that a connector sends to Jira and GitHub, held to the vendor's own document."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft4Validator
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from backgroundtasks import clock
from tests.support.trackers.fakes import Asked
from tests.support.trackers.github import FakeGithub, GithubPlace
from tests.support.trackers.jira import FakeJira, JiraPlace
from tests.support.trackers.place import Place
from tickets.trackers import Backlink, Change, errors
from tickets.trackers.jira import adf

JIRA = Path(os.environ.get("SPECS_DIR", "../shared/specs")) / "jira-cloud-v3.subset.json"
PUBLISHED = Path(os.environ.get("PUBLISHED_SPECS_DIR", "var/specs"))

pytestmark = [pytest.mark.conformance, pytest.mark.django_db]

UNUSUAL = "Zahlung über 7 € <b>&amp; 'x'\" *bold*\r\n\r\n\r\nsee https://example.org/a?b=c, (http://x.org).\n\n \n- end\n"


@pytest.fixture(autouse=True)
def near_trackers(settings: Any) -> None:
    near = {"TRACKER_HTTP": True, "TRACKER_NETWORKS": ["127.0.0.0/8"]}
    settings.TICKETS = {**settings.TICKETS, **near}


class SentRequest:
    """One request, as openapi-core wants to see it."""

    def __init__(self, asked: Asked, server: str, below: str) -> None:
        self.host_url = server
        self.path = asked.path.removeprefix(below)
        self.method = asked.method.lower()
        self.content_type = asked.headers.get("content-type", "")
        self.body = None if asked.body is None else json.dumps(asked.body).encode()
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(asked.query), header=Headers(asked.headers), path={}
        )


def ask_everything(place: Place) -> None:
    """Use every method of a connector, in the ways that make a difference to its requests."""
    tracker = place.tracker()
    tracker.check()
    ticket = tracker.create(place.draft("First", description=UNUSUAL))
    tracker.create(place.draft("Second"))
    tracker.look_up(ticket.key)
    tracker.change(
        ticket.id, Change(summary="Other", status=place.other_status, assignee=place.somebody)
    )
    tracker.change(ticket.id, Change(assignee=""))
    tracker.comment(ticket.id, UNUSUAL, mark=f"test:{uuid4()}")
    for resolved in (False, True):
        where = "https://tasks.example.org/api/incident/7"
        link = {"global_id": "test:incident:7", "title": "Incident 7", "summary": "Refund"}
        tracker.backlink(ticket.id, Backlink(url=where, resolved=resolved, **link))
    for ask in (
        lambda cursor: tracker.search(
            "First Second" if cursor else "First", limit=1, cursor=cursor
        ),
        lambda cursor: tracker.changes(clock.now() - timedelta(hours=1), limit=1, cursor=cursor),
    ):
        page = ask(None)
        if page.cursor:
            ask(page.cursor)
    with pytest.raises(errors.TicketNotFound):
        tracker.look_up(place.unknown_key)


def document(path: Path) -> Any:
    if not path.is_file():
        pytest.skip(f"there is no {path.name}: SPECS_DIR and scripts/published-specs")
    return json.loads(path.read_text())


class TestJira:
    @pytest.fixture
    def requests(self) -> Iterator[list[Asked]]:
        with FakeJira("cloud") as server:
            ask_everything(JiraPlace(server))
            yield server.requests

    def test_every_request_is_one_of_the_document(self, requests: list[Asked]) -> None:
        spec = document(JIRA)
        spec["servers"] = [{"url": "https://shop.atlassian.net"}]
        api = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))

        for asked in requests:
            api.validate_request(SentRequest(asked, "https://shop.atlassian.net", ""))
        assert len({(asked.method, asked.path.split("/")[-1]) for asked in requests}) >= 8

    def test_a_request_that_is_wrong_is_found(self) -> None:
        spec = document(JIRA)
        spec["servers"] = [{"url": "https://shop.atlassian.net"}]
        api = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))
        headers = {"authorization": "Basic eDp5", "content-type": "application/json"}
        wrong = Asked("POST", "/rest/api/3/search/jql", {}, headers, {"jql": "x", "startAt": 1})

        with pytest.raises(OpenAPIError):
            api.validate_request(SentRequest(wrong, "https://shop.atlassian.net", ""))

    def test_every_long_text_is_a_document_of_atlassians(self, requests: list[Asked]) -> None:
        schema = Draft4Validator(document(PUBLISHED / "adf.json"))
        texts = [
            asked.body["body"]
            for asked in requests
            if asked.path.endswith("/comment") and asked.body
        ]
        texts += [
            asked.body["fields"]["description"]
            for asked in requests
            if asked.body and "description" in asked.body.get("fields", {})
        ]

        assert len(texts) == 2
        for text in texts:
            assert [problem.message for problem in schema.iter_errors(text)] == []

    @pytest.mark.parametrize(
        "text", ["", " ", "\n\n", "a", "a\nb\n\nc", "https://x.org", "x\ty", "\n\na\n"]
    )
    def test_any_text_makes_a_document(self, text: str) -> None:
        schema = Draft4Validator(document(PUBLISHED / "adf.json"))

        assert [problem.message for problem in schema.iter_errors(adf.document(text))] == []


class TestGithub:
    def test_every_request_is_one_of_the_document(self) -> None:
        spec = document(PUBLISHED / "github.json")
        used = ("/repos/{owner}/{repo}", "/search/issues", "/repos/{owner}/{repo}/issues")
        paths = {
            path: item
            for path, item in spec["paths"].items()
            if path in used or path.startswith("/repos/{owner}/{repo}/issues/{issue_number}")
        }
        api = OpenAPI.from_dict({**spec, "paths": paths}, config=Config(spec_validator_cls=None))
        with FakeGithub() as server:
            ask_everything(GithubPlace(server))
            requests = server.requests

        for asked in requests:
            api.validate_request(SentRequest(asked, "https://api.github.com", "/api/v3"))
        assert len({(asked.method, asked.path.split("/")[-1]) for asked in requests}) >= 6
