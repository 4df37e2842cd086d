"""
Redmine: its REST interface, with an API key or a login.

Redmine answers a change with 204 even where it did not make it, so everything is looked at
again. It shows people by their names, so that is what an assignee is called here.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tickets.trackers import errors, keys, paging
from tickets.trackers.http_tracker import HttpTracker, moment, named
from tickets.trackers.protocol import (
    Capability,
    Category,
    Finding,
    Page,
    Ticket,
    TicketField,
    Unread,
)
from tickets.trackers.transport.exchange import segments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from tickets.trackers.protocol import Change, Choice, Connection, Draft
    from tickets.trackers.transport.answer import Answer
    from tickets.trackers.transport.exchange import Exchange

#: `12`, `#12`, `Bug #12`.
_KEY: Final = re.compile(r"(?:[^\W\d][^#/?&]{0,30}\s)?#?([1-9][0-9]{0,8})")
_PATH: Final = re.compile(r"(?:/projects/[^/]+)?/issues/([1-9][0-9]{0,8})(?:\.json|/edit)?")
_ID: Final = re.compile(r"[1-9][0-9]{0,8}")
_IN_PROGRESS: Final = ("In Progress",)
#: Rows of an answer, at most.
_PAGE: Final = 100
#: Choices that a refusal names.
_NAMED: Final = 50
#: As Redmine's texts begin, to our names.
_NAMES: Final = {"Subject": "summary", "Status": "status", "Assignee": "assignee"}
#: What each thing needs, of the permissions that a role has.
_PERMISSIONS: Final = {
    Capability.SEARCH: "view_issues",
    Capability.CHANGES: "view_issues",
    Capability.CREATE: "add_issues",
    Capability.CHANGE: "edit_issues",
    Capability.COMMENT: "add_issue_notes",
    Capability.BACKLINK: "add_issue_notes",
}


class RedmineTracker(HttpTracker):
    """Issues of a project."""

    example: ClassVar[str] = "#12"

    def __init__(self, connection: Connection, within: timedelta | None = None) -> None:
        """Take a connection; the project and the statuses are asked for once."""
        super().__init__(connection, within)
        self._known_project: dict[str, Any] | None = None
        self._known_statuses: dict[str, bool] | None = None

    @classmethod
    def problems_of(cls, connection: Connection) -> Iterator[str]:
        """Yield what is wrong with a connection."""
        yield from super().problems_of(connection)
        if not re.fullmatch(r"[a-z0-9_-]{1,100}", connection.project):
            yield "The project is its identifier, as in the address of its page: my-shop."

    def parse_key(self, text: str) -> str:
        """Take `#12`, `12`, `Bug #12`, and the address of an issue's page."""
        path = keys.pasted(text, self._origin)
        found = (
            _PATH.fullmatch(path.partition("?")[0])
            if path is not None
            else _KEY.fullmatch(text.strip())
        )
        if not found:
            raise errors.KeyInvalid(self.name, text, self.example)
        return f"#{found[1]}"

    def _headers(self) -> Mapping[str, str]:
        if not self.connection.user_name:
            return {"X-Redmine-API-Key": self.connection.secret}
        login = f"{self.connection.user_name}:{self.connection.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}

    def _id_of(self, key: str) -> str:
        return key.removeprefix("#")

    def _is_id(self, ticket_id: str) -> bool:
        return bool(_ID.fullmatch(ticket_id))

    def _get(self, http: Exchange, ticket_id: str) -> Ticket:
        return self._shown(http, self._issue(http, ticket_id))

    def _search(self, http: Exchange, text: str, limit: int, cursor: str | None) -> Page[Ticket]:
        begin = int(cursor or 0)
        found = self._hits(http, text, limit + 1, begin)
        tickets = self._several(http, found[:limit])
        return Page(tickets, str(begin + limit) if len(found) > limit else None)

    def _changes(
        self, http: Exchange, since: datetime, limit: int, cursor: str | None
    ) -> Page[Ticket]:
        size = min(limit + 1, _PAGE)

        def fetch(from_: datetime, begin: int | None) -> tuple[list[Ticket | Unread], int | None]:
            begin = begin or 0
            query = {
                **self._mine,
                "updated_on": f">={from_:%Y-%m-%dT%H:%M:%SZ}",
                "sort": "updated_on,id",
            }
            # Asked for beforehand: that they cannot be is no row's trouble.
            self._project(http)
            self._statuses(http)

            def part(offset: int, limit: int) -> list[Any]:
                asked = {**query, "limit": str(limit), "offset": str(offset)}
                return self._list(http, "/issues.json", "issues", asked)

            rows = paging.whole(part, begin, size, instead=lambda error: error)
            shown = self._each(rows, partial(self._shown, http))
            return shown, begin + size if len(rows) == size else None

        return paging.walk(fetch, since.replace(microsecond=0), limit, cursor)

    def _choices(self, http: Exchange, field: TicketField) -> Sequence[Choice]:
        match field:
            case TicketField.STATUS:
                rows = self._list(http, "/issue_statuses.json", "issue_statuses", {})
            case TicketField.PRIORITY:
                path = "/enumerations/issue_priorities.json"
                rows = self._list(http, path, "issue_priorities", {})
            case TicketField.TYPE:
                rows = self._project(http).get("trackers") or []
        return named(rows)

    def _find(self, http: Exchange, mark: str) -> Ticket | None:
        for issue in self._hits(http, mark, 5, 0):
            found = self._issue(http, issue)
            if self._has_mark(found.get("description"), mark):
                return self._shown(http, found)
        return None

    def _create(self, http: Exchange, draft: Draft) -> str:
        values: dict[str, Any] = {
            "project_id": self.connection.project,
            "subject": draft.summary.strip(),
            "description": self._marked(draft.description, draft.mark),
        }
        if draft.kind:
            values["tracker_id"] = self._tracker_id(http, draft.kind)
        answer = http.request("POST", "/issues.json", body={"issue": values})
        return str(self._inner(self._good(answer, "create it"), "issue")["id"])

    def _change(self, http: Exchange, before: Ticket, change: Change) -> None:
        values: dict[str, Any] = {}
        if change.summary is not None:
            values["subject"] = change.summary.strip()
        if change.status is not None:
            values["status_id"] = self._status_id(http, before.id, change.status)
        if change.assignee is not None:
            values["assigned_to_id"] = self._person_id(http, change.assignee)
        self._put(http, before.id, values)

    def _find_comment(self, http: Exchange, ticket_id: str, mark: str) -> str | None:
        try:
            journals = self._issue(http, ticket_id, "journals").get("journals") or []
        except errors.AnswerTooLarge:
            # Redmine tells a history as a whole only, but searches it: for the mark's own issue.
            found = self._hits(http, self.mark_form.format(mark), _PAGE, 0)
            return f"issue {ticket_id}" if ticket_id in found else None
        for journal in journals:
            if self._has_mark(journal.get("notes"), mark):
                return str(journal["id"])
        return None

    def _comment(self, http: Exchange, ticket_id: str, text: str, mark: str) -> str:
        self._put(http, ticket_id, {"notes": self._marked(text, mark)})
        written = self._find_comment(http, ticket_id, mark)
        if written is None:
            raise errors.AccessRefused(self.name, "write notes")
        return written

    def _findings(self, http: Exchange) -> dict[Capability, Finding]:
        query = {"include": "memberships"}
        answer = self._good(http.get("/users/current.json", query), "show who we are")
        me = self._inner(answer, "user")
        who = Finding(works=True, text=str(me.get("login") or me.get("firstname") or ""))
        try:
            project = self._project(http)
        except (errors.ConnectionInvalid, errors.AccessRefused) as error:
            # The login is right: it is the project that is not there, or not shown to it.
            nowhere = Finding(works=False, text=str(error))
            return {Capability.CREDENTIALS: who, Capability.SEARCH: nowhere}
        if me.get("admin"):
            everything = dict.fromkeys(_PERMISSIONS, Finding(works=True, text="Administrator."))
            return {**everything, Capability.CREDENTIALS: who}
        may = self._permissions(http, me, project)
        found = {
            capability: Finding(works=name in may, text="" if name in may else f"Needs {name}.")
            for capability, name in _PERMISSIONS.items()
        }
        return {**found, Capability.CREDENTIALS: who}

    def _permissions(
        self, http: Exchange, me: Mapping[str, Any], project: Mapping[str, Any]
    ) -> set[str]:
        """Return what the roles of the login in the project allow."""
        roles = {
            role["id"]
            for membership in me.get("memberships") or []
            if membership["project"]["id"] == project["id"]
            for role in membership["roles"]
        }
        found: set[str] = set()
        for role in sorted(roles):
            answer = self._good(http.get(f"/roles{segments([str(role)])}.json"), "show a role")
            found |= set(self._inner(answer, "role").get("permissions") or [])
        return found

    @cached_property
    def _mine(self) -> dict[str, str]:
        """The query of all issues of the project: closed ones too, and none of others below it."""
        return {"project_id": self.connection.project, "status_id": "*", "subproject_id": "!*"}

    def _issue(self, http: Exchange, ticket_id: str, include: str = "") -> dict[str, Any]:
        """Return an issue; its history, which has no end, only where it is to be included."""
        path = f"/issues{segments([ticket_id])}.json"
        answer = http.get(path, {"include": include} if include else None)
        return self._inner(self._good(answer, "show it", f"#{ticket_id}"), "issue")

    def _hits(self, http: Exchange, text: str, limit: int, begin: int) -> list[str]:
        """Return the ids of issues that hold all the words, newest first."""
        query = {
            "q": text,
            "issues": "1",
            "all_words": "1",
            "scope": "",
        }
        path = f"/projects{segments([self.connection.project])}/search.json"
        rows = self._page(http, path, "results", query, begin=begin, size=limit)
        return [str(row["id"]) for row in rows if str(row.get("type", "")).startswith("issue")]

    def _several(self, http: Exchange, issues: Sequence[str]) -> list[Ticket]:
        """Return tickets in the order of their ids as given."""
        if not issues:
            return []
        query = {"issue_id": ",".join(issues), "status_id": "*"}
        rows = self._page(http, "/issues.json", "issues", query, begin=0, size=_PAGE)
        shown = {str(row["id"]): self._shown(http, row) for row in rows}
        return [shown[issue] for issue in issues if issue in shown]

    def _put(self, http: Exchange, ticket_id: str, values: Mapping[str, Any]) -> None:
        path = f"/issues{segments([ticket_id])}.json"
        answer = http.request("PUT", path, body={"issue": values})
        self._good(answer, "change it", f"#{ticket_id}")

    def _project(self, http: Exchange) -> dict[str, Any]:
        if self._known_project is None:
            path = f"/projects{segments([self.connection.project])}.json"
            answer = http.get(path, {"include": "trackers"})
            found = self._good(answer, f"show the project {self.connection.project}")
            self._known_project = self._inner(found, "project")
        return self._known_project

    def _statuses(self, http: Exchange) -> dict[str, bool]:
        """Return each status' name and whether it closes an issue."""
        if self._known_statuses is None:
            rows = self._list(http, "/issue_statuses.json", "issue_statuses", {})
            self._known_statuses = {str(row["name"]): bool(row.get("is_closed")) for row in rows}
        return self._known_statuses

    def _status_id(self, http: Exchange, ticket_id: str, name: str) -> int:
        """Return the id of a status that the workflow lets this login set."""
        issue = self._issue(http, ticket_id, "allowed_statuses")
        allowed = issue.get("allowed_statuses") or []
        if not allowed:  # before Redmine 5.0
            allowed = self._list(http, "/issue_statuses.json", "issue_statuses", {})
        return self._named("status", name, [*allowed, issue["status"]])

    def _tracker_id(self, http: Exchange, name: str) -> int:
        return self._named("kind", name, self._project(http).get("trackers") or [])

    def _person_id(self, http: Exchange, name: str) -> int | str:
        if not name:
            return ""
        path = f"/projects{segments([self.connection.project])}/memberships.json"
        members: dict[Any, Any] = {}
        for begin in itertools.count(0, _PAGE):
            rows = self._page(http, path, "memberships", {}, begin=begin, size=_PAGE)
            before = len(members)
            members.update((row["id"], row.get("user") or row.get("group")) for row in rows)
            # A proxy that leaves the offset out answers with the first page for ever.
            if len(rows) < _PAGE or len(members) == before:
                break
        return self._named("assignee", name, [one for one in members.values() if one])

    def _named(self, field: str, name: str, choices: Sequence[Mapping[str, Any]]) -> int:
        for choice in choices:
            if str(choice["name"]).casefold() == name.strip().casefold():
                return int(choice["id"])
        names = list(dict.fromkeys(str(choice["name"]) for choice in choices))
        more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
        known = ", ".join([*names[:_NAMED], *more])
        problem = {field: f"{errors.shown(name)} is not to be had; there is {known or 'none'}"}
        raise errors.ChangeRefused(self.name, "change it", problem)

    def _page(
        self,
        http: Exchange,
        path: str,
        name: str,
        query: dict[str, str],
        *,
        begin: int,
        size: int,
    ) -> list[dict[str, Any]]:
        """Return rows of a list, whatever is written in them; Redmine always sends all of that."""

        def part(offset: int, limit: int) -> list[dict[str, Any]]:
            asked = {**query, "limit": str(limit), "offset": str(offset)}
            return self._list(http, path, name, asked)

        return paging.whole(part, begin, size)

    def _list(
        self, http: Exchange, path: str, name: str, query: dict[str, str]
    ) -> list[dict[str, Any]]:
        found = self._good(http.get(path, query), f"list {name}").object().get(name)
        if not isinstance(found, list):
            raise errors.AnswerUnusable(self.name, f"it has no {name}")
        return found

    def _inner(self, answer: Answer, name: str) -> dict[str, Any]:
        found = answer.object().get(name)
        if not isinstance(found, dict):
            raise errors.AnswerUnusable(self.name, f"it has no {name}")
        return found

    def _shown(self, http: Exchange, issue: Mapping[str, Any]) -> Ticket:
        project = issue["project"]
        is_here = project["id"] == self._project(http)["id"]
        status = str(issue["status"]["name"])
        updated = moment(issue["updated_on"], self.name)
        return Ticket(
            id=str(issue["id"]),
            key=f"#{issue['id']}",
            url=f"{self._origin}/issues/{issue['id']}",
            summary=str(issue["subject"]),
            status=status,
            category=self._category(http, status),
            updated_at=updated,
            project=self.connection.project if is_here else str(project["name"]),
            kind=_name(issue.get("tracker")),
            priority=_name(issue.get("priority")),
            assignee=_name(issue.get("assigned_to")),
            version=_version(issue),
        )

    def _category(self, http: Exchange, status: str) -> Category:
        if self._statuses(http).get(status):
            return Category.DONE
        if status in self.connection.settings.get("in_progress", _IN_PROGRESS):
            return Category.IN_PROGRESS
        return Category.OPEN

    def _problems(self, answer: Answer, names: Mapping[str, str]) -> dict[str, str]:
        found = answer.object().get("errors") if answer.is_json else None
        texts = [str(text) for text in found] if isinstance(found, list) else []
        return {
            next((ours for theirs, ours in _NAMES.items() if text.startswith(theirs)), ""): text
            for text in texts
        } or {"": f"status {answer.status}"}


def _version(issue: Mapping[str, Any]) -> str:
    """Name the state of an issue: its moments are whole seconds, in which much can happen."""
    kept = [issue.get(name) for name in ("updated_on", "subject", "description")]
    named = [_name(issue.get(name)) for name in ("project", "tracker", "status", "assigned_to")]
    return hashlib.sha256(json.dumps([kept, named]).encode()).hexdigest()[:20]


def _name(found: Any) -> str:
    """Return what something is called; empty when there is none."""
    return str(found.get("name") or "") if isinstance(found, dict) else ""
