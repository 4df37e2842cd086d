"""
GitHub's issues, of github.com and of GitHub Enterprise Server.

Marks stand in comments of HTML, which GitHub keeps and does not show. An assignee who may not
be one is left out of an answer of 200, so everything is looked at again.
"""

from __future__ import annotations

import hashlib
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tickets.trackers import errors, keys, paging
from tickets.trackers.http_tracker import HttpTracker, moment
from tickets.trackers.protocol import (
    Capability,
    Category,
    Choice,
    Finding,
    Page,
    Ticket,
    TicketField,
    Unread,
)
from tickets.trackers.transport import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tickets.trackers.protocol import Change, Connection, Draft
    from tickets.trackers.transport.answer import Answer
    from tickets.trackers.transport.exchange import Exchange

    #: Takes which part of a list, returns its rows.
    _Read = Callable[[dict[str, str]], list[dict[str, Any]]]

_PROJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
#: `12`, `#12`, `GH-12`, `owner/repository#12`.
_KEY: Final = re.compile(r"(?:(?:([^\s/#]+/[^\s/#]+)?#)|[Gg][Hh]-)?([1-9][0-9]{0,8})")
_PAGE: Final = re.compile(r"/([^/]+/[^/]+)/issues/([1-9][0-9]{0,8})")
_ID: Final = re.compile(r"[1-9][0-9]{0,8}")
#: What the API calls the repository of an issue ends with it.
_REPOSITORY: Final = re.compile(r".*/repos/([^/]+/[^/]+)")
_STATES: Final = {"open": Category.OPEN, "closed": Category.DONE}
_NAMES: Final = {"title": "summary", "state": "status", "assignees": "assignee"}
#: Rows of an answer, at most.
_SIZE: Final = 100
#: Pages of so many that are looked through for a mark.
_PAGES: Final = 10


class GithubTracker(HttpTracker):
    """Issues of a repository; pull requests, which GitHub counts among them, are none."""

    example: ClassVar[str] = "#12"
    mark_form: ClassVar[str] = "<!-- task-center {} -->"

    @classmethod
    def problems_of(cls, connection: Connection) -> Iterator[str]:
        """Yield what is wrong with a connection."""
        yield from super().problems_of(connection)
        if not _PROJECT.fullmatch(connection.project):
            yield "The project is a repository: owner/repository."

    @classmethod
    def _api_url(cls, connection: Connection) -> str:
        """Return the API beside github.com, or below a server of one's own."""
        base = connection.base_url.rstrip("/")
        known = base.partition("://")[2].lower() in {"github.com", "www.github.com", ""}
        return "https://api.github.com" if known and base else f"{base}/api/v3"

    def parse_key(self, text: str) -> str:
        """Take `#12`, `12`, `GH-12`, `owner/repository#12`, and the address of an issue's page."""
        path = keys.pasted(text, addresses.require(self.connection.base_url, self.name))
        if path is not None:
            found = _PAGE.fullmatch(path.partition("?")[0])
        else:
            found = _KEY.fullmatch(text.strip())
        if not found:
            raise errors.KeyInvalid(self.name, text, self.example)
        if found[1] and found[1].lower() != self.connection.project.lower():
            raise errors.TicketElsewhere(self.name, text.strip(), self.connection.project)
        return f"#{found[2]}"

    def _headers(self) -> Mapping[str, str]:
        return {
            "Authorization": f"Bearer {self.connection.secret}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def _id_of(self, key: str) -> str:
        return key.removeprefix("#")

    def _is_id(self, ticket_id: str) -> bool:
        return bool(_ID.fullmatch(ticket_id))

    def _path(self, more: str = "") -> str:
        return f"/repos/{self.connection.project}{more}"

    def _get(self, http: Exchange, ticket_id: str) -> Ticket:
        answer = http.get(self._path(f"/issues/{ticket_id}"))
        found = self._good(answer, "show it", f"#{ticket_id}").object()
        if "pull_request" in found:
            raise errors.TicketNotFound(self.name, f"#{ticket_id}")
        ticket = self._shown(found)
        if ticket.id != ticket_id:
            # Transferred: its number there is another issue's here.
            raise errors.TicketMoved(self.name, f"#{ticket_id}", ticket.key)
        return ticket

    def _search(self, http: Exchange, text: str, limit: int, cursor: str | None) -> Page[Ticket]:
        # Everything else than words may be one of GitHub's qualifiers; AND, OR and NOT are its
        # operators in upper case only.
        words = re.findall(r"\w+", text.lower())
        if not words:
            return Page([])
        page = int(cursor or 1)
        query = {
            "q": f"{' '.join(words)} repo:{self.connection.project} is:issue",
            "sort": "updated",
        }
        total = 0

        def read(part: dict[str, str]) -> list[dict[str, Any]]:
            nonlocal total
            answer = http.get("/search/issues", {**query, **part})
            found = self._good(answer, "search").object()
            total = int(found.get("total_count") or 0)
            return self._list(found.get("items"))

        shown = [self._shown(item) for item in _page(read, page, limit)]
        return Page(shown, str(page + 1) if page * limit < total else None)

    def _changes(
        self, http: Exchange, since: datetime, limit: int, cursor: str | None
    ) -> Page[Ticket]:
        size = min(limit + 1, _SIZE)

        def fetch(from_: datetime, page: int | None) -> tuple[list[Ticket | Unread], int | None]:
            page = page or 1
            query = {
                "state": "all",
                "since": f"{from_:%Y-%m-%dT%H:%M:%SZ}",
                "sort": "updated",
                "direction": "asc",
            }
            items = _page(self._reading(http, query), page, size, instead=lambda error: error)
            issues = [item for item in items if not _is_pull_request(item)]
            more = page + 1 if len(items) == size else None
            return self._each(issues, self._shown, "number"), more

        return paging.walk(fetch, since.replace(microsecond=0), limit, cursor)

    def _choices(self, http: Exchange, field: TicketField) -> Sequence[Choice]:
        # An issue is open or closed; all else is said by labels, which anybody makes up.
        states = _STATES if field == TicketField.STATUS else {}
        return [Choice(state, state) for state in states]

    def _find(self, http: Exchange, mark: str) -> Ticket | None:
        # The list knows at once what was made; the search, which reaches further back, later.
        newest = {"state": "all", "sort": "created", "direction": "desc"}
        found = self._of_mark(self._issues(http, newest, 1, _SIZE), mark)
        if found is None:
            words = f'"{mark}" in:body repo:{self.connection.project} is:issue'

            def read(part: dict[str, str]) -> list[dict[str, Any]]:
                answer = http.get("/search/issues", {"q": words, **part})
                return self._list(self._good(answer, "search").object().get("items"))

            found = self._of_mark(_page(read, 1, 5), mark)
        return found

    def _of_mark(self, items: Sequence[dict[str, Any]], mark: str) -> Ticket | None:
        for item in items:
            if self._has_mark(item.get("body"), mark):
                return self._shown(item)
        return None

    def _create(self, http: Exchange, draft: Draft) -> str:
        values: dict[str, Any] = {
            "title": draft.summary.strip(),
            "body": self._marked(draft.description, draft.mark),
        }
        if draft.kind:
            values["labels"] = [draft.kind]
        answer = http.request("POST", self._path("/issues"), body=values)
        return str(self._good(answer, "create it").object()["number"])

    def _change(self, http: Exchange, before: Ticket, change: Change) -> None:
        values: dict[str, Any] = {}
        if change.summary is not None:
            values["title"] = change.summary.strip()
        if change.status is not None:
            values["state"] = change.status.strip().lower()
            if values["state"] not in _STATES:
                problem = {"status": f"it is one of {', '.join(_STATES)}"}
                raise errors.ChangeRefused(self.name, "change it", problem)
        if change.assignee is not None:
            values["assignees"] = [change.assignee] if change.assignee else []
        answer = http.request("PATCH", self._path(f"/issues/{before.id}"), body=values)
        self._good(answer, "change it", before.key)

    def _find_comment(self, http: Exchange, ticket_id: str, mark: str) -> str | None:
        def read(part: dict[str, str]) -> list[dict[str, Any]]:
            answer = http.get(self._path(f"/issues/{ticket_id}/comments"), part)
            return self._list(self._good(answer, "show its comments", f"#{ticket_id}").json())

        for page in range(1, _PAGES + 1):
            found = _page(read, page, _SIZE)
            for comment in found:
                if self._has_mark(comment.get("body"), mark):
                    return str(comment["id"])
            if len(found) < _SIZE:
                break
        return None

    def _comment(self, http: Exchange, ticket_id: str, text: str, mark: str) -> str:
        path = self._path(f"/issues/{ticket_id}/comments")
        answer = http.request("POST", path, body={"body": self._marked(text, mark)})
        return str(self._good(answer, "write a comment", f"#{ticket_id}").object()["id"])

    def _findings(self, http: Exchange) -> dict[Capability, Finding]:
        answer = http.get(self._path())
        found = self._good(answer, f"show the repository {self.connection.project}").object()
        if not found.get("has_issues", True):
            nothing = Finding(works=False, text="The repository has no issues.")
            return {**dict.fromkeys(Capability, nothing), Capability.CREDENTIALS: _WORKS}
        may = found.get("permissions") or {}
        change = any(may.get(role) for role in ("triage", "push", "maintain", "admin"))
        writing = Finding(works=None, text="The token decides when it is written.")
        return {
            Capability.CREDENTIALS: _WORKS,
            Capability.SEARCH: _WORKS,
            Capability.CHANGES: _WORKS,
            Capability.CREATE: writing,
            Capability.COMMENT: writing,
            Capability.BACKLINK: writing,
            Capability.CHANGE: _WORKS if change else Finding(works=False, text="Needs triage."),
        }

    def _issues(
        self, http: Exchange, query: dict[str, str], page: int, size: int
    ) -> list[dict[str, Any]]:
        return _page(self._reading(http, query), page, size)

    def _reading(self, http: Exchange, query: dict[str, str]) -> _Read:
        def read(part: dict[str, str]) -> list[dict[str, Any]]:
            answer = http.get(self._path("/issues"), {**query, **part})
            return self._list(self._good(answer, "list issues").json())

        return read

    def _list(self, found: Any) -> list[dict[str, Any]]:
        if not isinstance(found, list):
            raise errors.AnswerUnusable(self.name, "it has no list")
        return found

    def _good(
        self, answer: Answer, what: str, key: str = "", names: Mapping[str, str] | None = None
    ) -> Answer:
        if answer.status == HTTPStatus.FORBIDDEN and "rate limit" in answer.detail().lower():
            raise errors.Throttled(self.name, None)  # the one that has no header
        return super()._good(answer, what, key, names)

    def _shown(self, issue: Mapping[str, Any]) -> Ticket:
        try:
            number, state = int(issue["number"]), str(issue["state"])
            repository = _REPOSITORY.fullmatch(str(issue["repository_url"]))
            project = repository[1] if repository else self.connection.project
            is_here = project.lower() == self.connection.project.lower()
            return Ticket(
                id=str(number),
                key=f"#{number}" if is_here else f"{project}#{number}",
                url=f"{self.connection.base_url.rstrip('/')}/{project}/issues/{number}",
                summary=str(issue["title"]),
                status=state,
                category=_STATES.get(state, Category.OPEN),
                updated_at=moment(issue["updated_at"], self.name),
                project=project,
                kind=str((issue.get("type") or {}).get("name") or ""),
                assignee=str((issue.get("assignee") or {}).get("login") or ""),
                version=_version(issue),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise errors.AnswerUnusable(self.name, "it is no issue") from None

    def _problems(self, answer: Answer, names: Mapping[str, str]) -> dict[str, str]:
        try:
            found = answer.object()
        except errors.AnswerUnusable:
            return {"": f"status {answer.status}"}
        problems = {
            _NAMES.get(str(one.get("field")), str(one.get("field") or "")): str(
                one.get("message") or one.get("code") or ""
            )
            for one in found.get("errors") or []
            if isinstance(one, dict)
        }
        return problems or {"": str(found.get("message") or f"status {answer.status}")}


_WORKS: Final = Finding(works=True)


def _page(
    read: _Read, page: int, size: int, *, instead: Callable[[Any], Any] | None = None
) -> list[Any]:
    """Return a page of a list, whatever is written in its rows; GitHub always sends all of that."""

    def part(begin: int, rows: int) -> list[dict[str, Any]]:
        return read({"per_page": str(rows), "page": str(begin // rows + 1)})

    return paging.whole(part, (page - 1) * size, size, instead=instead)


def _is_pull_request(item: Any) -> bool:
    return isinstance(item, dict) and "pull_request" in item


def _version(issue: Mapping[str, Any]) -> str:
    """Name the state of an issue: its moments are whole seconds, in which much can happen."""
    kept = [
        issue.get(name)
        for name in ("updated_at", "title", "state", "state_reason", "comments", "body")
    ]
    people = [person.get("login") for person in issue.get("assignees") or []]
    return hashlib.sha256(json.dumps([kept, people]).encode()).hexdigest()[:20]
