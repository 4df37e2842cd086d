"""
Jira's issues, and real links back: remote links, which have a global id of ours.

A ticket that was made is found again by a label. Jira's search may be some seconds behind
what was written; a run whose answer was lost makes its next attempt after that.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qs

from backgroundtasks import clock
from tickets.trackers import errors, keys, paging
from tickets.trackers.http_tracker import HttpTracker, moment, named
from tickets.trackers.jira import adf, editions
from tickets.trackers.jira.editions import Query
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
    from datetime import datetime

    from tickets.trackers.protocol import Backlink, Change, Choice, Connection, Draft
    from tickets.trackers.transport.answer import Answer
    from tickets.trackers.transport.exchange import Exchange

_PROJECT: Final = re.compile(r"[A-Z][A-Z0-9_]{1,99}")
_KEY: Final = re.compile(r"(?:([A-Z][A-Z0-9_]{1,99})-)?([1-9][0-9]{0,8})")
#: An issue's page: `/browse/TST-1`, `…/issues/TST-1`, `…/issue/TST-1`.
_PAGE: Final = re.compile(r".*/(?:browse|issues?)/([A-Za-z][A-Za-z0-9_]+-[0-9]+)")
_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
_FIELDS: Final = "summary,status,issuetype,priority,assignee,updated,project"
_CATEGORIES: Final = {
    "new": Category.OPEN,
    "undefined": Category.OPEN,
    "indeterminate": Category.IN_PROGRESS,
    "done": Category.DONE,
}
_NAMES: Final = {"summary": "summary", "status": "status", "assignee": "assignee"}
#: Pages of a hundred comments that are looked through for a mark.
_COMMENT_PAGES: Final = 10


class JiraTracker(HttpTracker):
    """Issues of a project, or of all that the login may see."""

    example: ClassVar[str] = "TST-123"
    #: Brackets would make a link in Data Center's texts.
    mark_form: ClassVar[str] = "(task-center {})"

    def __init__(self, connection: Connection, within: timedelta | None = None) -> None:
        """Take a connection; its settings or its host say which edition it is."""
        super().__init__(connection, within)
        self._edition = editions.of(connection)

    @classmethod
    def problems_of(cls, connection: Connection) -> Iterator[str]:
        """Yield what is wrong with a connection."""
        yield from super().problems_of(connection)
        said = connection.settings.get("edition", "datacenter")
        if said not in editions.EDITIONS:
            yield f"The edition is one of {', '.join(editions.EDITIONS)}."
        elif editions.of(connection).person == "accountId" and not connection.user_name:
            yield "Jira Cloud needs the e-mail address that its API token belongs to."
        if connection.project and not _PROJECT.fullmatch(connection.project):
            yield "The project is its key, in upper case: TST."

    def parse_key(self, text: str) -> str:
        """Take `TST-123`, `tst-123`, `123` within a project, and addresses of issues and boards."""
        typed = self._typed(text)
        found = _KEY.fullmatch(typed.upper())
        project = (found[1] or self.connection.project) if found else ""
        if not found or not project:
            raise errors.KeyInvalid(self.name, text, self.example)
        key = f"{project}-{found[2]}"
        if self.connection.project and project != self.connection.project:
            raise errors.TicketElsewhere(self.name, key, self.connection.project)
        return key

    def _typed(self, text: str) -> str:
        path = keys.pasted(text, self._origin)
        if path is None:
            return text.strip()
        path, _, query = path.partition("?")
        # A board shows an issue beside it, and names it only there.
        if selected := parse_qs(query).get("selectedIssue"):
            return selected[0]
        page = _PAGE.fullmatch(path)
        return page[1] if page else ""

    def _headers(self) -> Mapping[str, str]:
        # The second is how Jira lets programs through its guard against other sites' forms.
        return {**editions.headers(self.connection), "X-Atlassian-Token": "no-check"}

    def _id_of(self, key: str) -> str:
        return key

    def _is_id(self, ticket_id: str) -> bool:
        return bool(_ID.fullmatch(ticket_id))

    def _path(self, ticket_id: str, *more: str) -> str:
        return f"{self._edition.api}/issue{segments([ticket_id, *more])}"

    def _get(self, http: Exchange, ticket_id: str) -> Ticket:
        answer = http.get(self._path(ticket_id), {"fields": _FIELDS})
        return self._shown(self._good(answer, "show it", ticket_id).object())

    def _search(self, http: Exchange, text: str, limit: int, cursor: str | None) -> Page[Ticket]:
        # Everything else than words means something in Lucene's language, below JQL; so do AND,
        # OR and NOT in upper case.
        words = " ".join(re.findall(r"\w+", text.lower()))
        if not words:
            return Page([])
        jql = self._jql(f'text ~ "{words}"', "updated DESC")
        found, token = self._edition.search(http, Query(jql, _FIELDS, limit, cursor))
        return Page([self._shown(issue) for issue in found], token)

    def _changes(
        self, http: Exchange, since: datetime, limit: int, cursor: str | None
    ) -> Page[Ticket]:
        def fetch(from_: datetime, token: Any) -> tuple[list[Ticket | Unread], Any]:
            # Minutes before now: JQL's moments are in the time zone of the login.
            ago = max(math.ceil((clock.now() - from_) / timedelta(minutes=1)) + 1, 1)
            jql = self._jql(f'updated >= "-{ago}m"', "updated ASC")
            found, more = self._edition.search(
                http, Query(jql, _FIELDS, min(limit + 1, 100), token)
            )
            return self._each(found, self._shown), more

        return paging.walk(fetch, since, limit, cursor)

    def _jql(self, condition: str, order: str) -> str:
        project = f'project = "{self.connection.project}" AND ' if self.connection.project else ""
        return f"{project}{condition} ORDER BY {order}"

    def _choices(self, http: Exchange, field: TicketField) -> Sequence[Choice]:
        if field == TicketField.PRIORITY:
            return named(self._array(http, "priority"))
        if not self.connection.project:
            return named(
                self._array(http, "status" if field == TicketField.STATUS else "issuetype")
            )
        # Of each type of issue that the project has: its statuses.
        types = self._array(http, f"project{segments([self.connection.project])}/statuses")
        if field == TicketField.TYPE:
            return named(types)
        return named(status for one in types for status in one["statuses"])

    def _array(self, http: Exchange, path: str) -> list[dict[str, Any]]:
        what = f"list each {path.rpartition('/')[2]}"
        found = self._good(http.get(f"{self._edition.api}/{path}"), what).json()
        if not isinstance(found, list):
            raise errors.AnswerUnusable(self.name, "it is no JSON array")
        return found

    def _find(self, http: Exchange, mark: str) -> Ticket | None:
        jql = self._jql(f'labels = "{mark}"', "created ASC")
        found, _ = self._edition.search(http, Query(jql, _FIELDS, 1, None))
        return self._get(http, str(found[0]["id"])) if found else None

    def _create(self, http: Exchange, draft: Draft) -> str:
        if not self.connection.project:
            problem = {"project": "the connection names none to make it in"}
            raise errors.ChangeRefused(self.name, "create it", problem)
        kind = draft.kind or str(self.connection.settings.get("issue_type") or "Bug")
        fields: dict[str, Any] = {
            "project": {"key": self.connection.project},
            "issuetype": {"name": kind},
            "summary": draft.summary.strip(),
            "labels": [draft.mark],
        }
        if draft.description:
            fields["description"] = self._edition.text(draft.description)
        answer = http.request("POST", f"{self._edition.api}/issue", body={"fields": fields})
        return str(self._good(answer, "create it").object()["id"])

    def _change(self, http: Exchange, before: Ticket, change: Change) -> None:
        fields: dict[str, Any] = {}
        if change.summary is not None:
            fields["summary"] = change.summary.strip()
        if change.assignee is not None:
            who = {self._edition.person: change.assignee} if change.assignee else None
            fields["assignee"] = who
        transition = self._transition(http, before, change.status)
        if fields:
            answer = http.request("PUT", self._path(before.id), body={"fields": fields})
            self._good(answer, "change it", before.key)
        if transition is not None:
            path = self._path(before.id, "transitions")
            answer = http.request("POST", path, body={"transition": {"id": transition}})
            self._good(answer, "change it", before.key)

    def _transition(self, http: Exchange, before: Ticket, status: str | None) -> str | None:
        """Return what leads to a status; None when there is nothing to do."""
        if status is None or status.strip().casefold() == before.status.casefold():
            return None
        answer = http.get(self._path(before.id, "transitions"))
        found = self._good(answer, "show where it can go", before.key).object()
        ways = {str(way["to"]["name"]): str(way["id"]) for way in found.get("transitions") or []}
        for name, way in ways.items():
            if name.casefold() == status.strip().casefold():
                return way
        known = ", ".join(ways) or "no other"
        problem = {"status": f"{errors.shown(status)} is not to be had from here; there is {known}"}
        raise errors.ChangeRefused(self.name, "change it", problem)

    def _find_comment(self, http: Exchange, ticket_id: str, mark: str) -> str | None:
        begin = 0
        for _ in range(_COMMENT_PAGES):
            query = {"startAt": str(begin), "maxResults": "100", "orderBy": "-created"}
            answer = http.get(self._path(ticket_id, "comment"), query)
            found = self._good(answer, "show its comments", ticket_id).object()
            comments: Sequence[Any] = found.get("comments") or []
            for comment in comments:
                if self._has_mark(adf.text(comment.get("body")), mark):
                    return str(comment["id"])
            begin += len(comments)
            if not comments or begin >= int(found.get("total") or 0):
                break
        return None

    def _comment(self, http: Exchange, ticket_id: str, text: str, mark: str) -> str:
        body = {"body": self._edition.text(self._marked(text, mark))}
        answer = http.request("POST", self._path(ticket_id, "comment"), body=body)
        return str(self._good(answer, "write a comment", ticket_id).object()["id"])

    def _backlink(self, http: Exchange, ticket_id: str, link: Backlink) -> str:
        body = {
            "globalId": link.global_id,
            "application": {"type": "org.task-center", "name": "Task center"},
            "relationship": "found by",
            "object": {
                "url": link.url,
                "title": link.title[:255],
                "summary": link.summary[:255],
                "status": {"resolved": link.resolved},
            },
        }
        answer = http.request("POST", self._path(ticket_id, "remotelink"), body=body)
        return str(self._good(answer, "link it", ticket_id).object()["id"])

    def _findings(self, http: Exchange) -> dict[Capability, Finding]:
        me = self._good(http.get(f"{self._edition.api}/myself"), "show who we are").object()
        who = str(me.get("displayName") or me.get("name") or "")

        def search(condition: str) -> Finding:
            jql = self._jql(condition, "updated DESC")
            return self._found(lambda: self._edition.search(http, Query(jql, "summary", 1, None)))

        return {
            Capability.CREDENTIALS: Finding(works=True, text=who),
            Capability.SEARCH: search('text ~ "task"'),
            Capability.CHANGES: search('updated >= "-1m"'),
        }

    def _shown(self, issue: Mapping[str, Any]) -> Ticket:
        try:
            fields = issue["fields"]
            updated = moment(fields["updated"], self.name)
            status = fields["status"]
            category = (status.get("statusCategory") or {}).get("key")
            return Ticket(
                id=str(issue["id"]),
                key=str(issue["key"]),
                url=f"{self._origin}/browse/{issue['key']}",
                summary=str(fields["summary"]),
                status=str(status["name"]),
                category=_CATEGORIES.get(str(category), Category.OPEN),
                updated_at=updated,
                project=str(issue["key"]).rpartition("-")[0],
                kind=_name(fields.get("issuetype")),
                priority=_name(fields.get("priority")),
                assignee=str((fields.get("assignee") or {}).get(self._edition.person) or ""),
                version=updated.isoformat(),
            )
        except (KeyError, TypeError, AttributeError):
            raise errors.AnswerUnusable(self.name, "it is no issue") from None

    def _problems(self, answer: Answer, names: Mapping[str, str]) -> dict[str, str]:
        try:
            found = answer.object()
        except errors.AnswerUnusable:
            return {"": f"status {answer.status}"}
        fields = found.get("errors") or {}
        problems = {_NAMES.get(str(name), str(name)): str(text) for name, text in fields.items()}
        general = "; ".join(str(text) for text in found.get("errorMessages") or [])
        if general:
            problems[""] = general
        return problems or {"": f"status {answer.status}"}


def _name(found: Any) -> str:
    return str(found.get("name") or "") if isinstance(found, dict) else ""
