"""What differs between Jira Cloud (REST version 3) and Data Center (version 2)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tickets.trackers import errors
from tickets.trackers.jira import adf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tickets.trackers.protocol import Connection
    from tickets.trackers.transport.answer import Answer
    from tickets.trackers.transport.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Edition:
    """One of the two."""

    #: Below the base URL.
    api: str
    #: What names a person in a field.
    person: str
    #: A text as the API takes it.
    text: Callable[[str], Any]
    #: To the issues and the token of what follows.
    search: Callable[[Exchange, Query], tuple[list[dict[str, Any]], Any]]


@dataclass(frozen=True, slots=True)
class Query:
    """A question in JQL."""

    jql: str
    #: Names with commas between them.
    fields: str
    #: Issues of one answer.
    size: int
    #: Of the answer before; None at first.
    token: Any = None


def of(connection: Connection) -> Edition:
    """Return the edition that the settings say; else by the host."""
    said = str(connection.settings.get("edition") or "")
    host = connection.base_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return EDITIONS[said or ("cloud" if host.endswith(".atlassian.net") else "datacenter")]


def headers(connection: Connection) -> Mapping[str, str]:
    """Return the login: an e-mail address or name with a token, or a personal access token alone."""
    if not connection.user_name:
        return {"Authorization": f"Bearer {connection.secret}"}
    login = f"{connection.user_name}:{connection.secret}".encode()
    return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}


def _search_cloud(http: Exchange, query: Query) -> tuple[list[dict[str, Any]], Any]:
    body: dict[str, Any] = {
        "jql": query.jql,
        "fields": query.fields.split(","),
        "maxResults": query.size,
    }
    if query.token:
        body["nextPageToken"] = query.token
    answer = http.request("POST", "/rest/api/3/search/jql", body=body)
    found = _searched(answer, http.tracker)
    return _issues(found, http.tracker), found.get("nextPageToken")


def _search_datacenter(http: Exchange, query: Query) -> tuple[list[dict[str, Any]], Any]:
    begin = int(query.token or 0)
    asked = {
        "jql": query.jql,
        "fields": query.fields,
        "maxResults": str(query.size),
        "startAt": str(begin),
    }
    found = _searched(http.get("/rest/api/2/search", asked), http.tracker)
    issues = _issues(found, http.tracker)
    end = begin + len(issues)
    return issues, str(end) if issues and end < int(found.get("total") or 0) else None


def _searched(answer: Answer, tracker: str) -> dict[str, Any]:
    if not answer.is_good:
        detail = answer.detail() or f"status {answer.status}"
        raise errors.ConnectionInvalid(tracker, [f"It refuses to search: {detail}"])
    return answer.object()


def _issues(found: Mapping[str, Any], tracker: str) -> list[dict[str, Any]]:
    issues = found.get("issues")
    if not isinstance(issues, list):
        raise errors.AnswerUnusable(tracker, "it has no issues")
    return issues


EDITIONS: Final[Mapping[str, Edition]] = {
    "cloud": Edition("/rest/api/3", "accountId", adf.document, _search_cloud),
    "datacenter": Edition("/rest/api/2", "name", str, _search_datacenter),
}
