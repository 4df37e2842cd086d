"""
Roundup: its REST interface, below `/rest` of a tracker.

Marks stand in `messageid` of a message, which can be searched exactly; texts cannot. Every
write to an issue names the ETag that was read, so that two never overwrite each other.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tickets.trackers import errors, keys, paging
from tickets.trackers.http_tracker import HttpTracker, in_utc, named
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

    from tickets.trackers.protocol import Change, Choice, Connection, Draft
    from tickets.trackers.transport.answer import Answer
    from tickets.trackers.transport.exchange import Exchange

_KEY: Final = re.compile(r"(?:([a-z][a-z_]*)|#)?([1-9][0-9]{0,8})")
_ID: Final = re.compile(r"[1-9][0-9]{0,8}")
_MOMENT: Final = "%Y-%m-%d.%H:%M:%S"
_FIELDS: Final = "title,status,assignedto,priority,activity"
#: Of the classic template; a tracker that calls them otherwise says so in the settings.
_DONE: Final = ("resolved", "done-cbb", "closed", "done")
_IN_PROGRESS: Final = ("in-progress", "testing")
#: Times that a write meets somebody else's before it gives up.
_TRIES: Final = 3
_NAMES: Final = {"title": "summary", "status": "status", "assignedto": "assignee"}


class RoundupTracker(HttpTracker):
    """Issues of a Roundup tracker, by the login of one of its users."""

    example: ClassVar[str] = "issue12"

    @classmethod
    def problems_of(cls, connection: Connection) -> Iterator[str]:
        """Yield what is wrong with a connection."""
        yield from super().problems_of(connection)
        if not re.fullmatch(r"[a-z][a-z_]*", _class_of(connection)):
            yield "The class is a word of lower case letters: issue."
        if connection.project:
            yield "Roundup's issues have no project: leave it empty."

    def parse_key(self, text: str) -> str:
        """Take `issue12`, `#12`, `12`, and the address of an issue's page."""
        path = keys.pasted(text, self._origin)
        typed = path.partition("?")[0].removeprefix("/") if path is not None else text.strip()
        found = _KEY.fullmatch(typed.lower())
        if not found or (found[1] or self._class) != self._class:
            raise errors.KeyInvalid(self.name, text, self.example)
        return f"{self._class}{found[2]}"

    @property
    def _class(self) -> str:
        return _class_of(self.connection)

    def _headers(self) -> Mapping[str, str]:
        login = f"{self.connection.user_name}:{self.connection.secret}".encode()
        return {
            "Authorization": f"Basic {base64.b64encode(login).decode()}",
            # Roundup asks for both, as a guard against other sites' forms.
            "X-Requested-With": "rest",
            "Origin": f"{self._origin.scheme}://{self._origin.netloc}",
        }

    def _id_of(self, key: str) -> str:
        return key.removeprefix(self._class)

    def _is_id(self, ticket_id: str) -> bool:
        return bool(_ID.fullmatch(ticket_id))

    def _get(self, http: Exchange, ticket_id: str) -> Ticket:
        found = self._element(http, ticket_id)
        # A retired issue is still answered when it is asked for, but in no list.
        listed = self._list(http, self._class, {"id": ticket_id, "@fields": "id"})
        if not listed:
            raise errors.TicketNotFound(self.name, self._key(ticket_id))
        return self._shown(ticket_id, found["attributes"], str(found["@etag"]))

    def _search(self, http: Exchange, text: str, limit: int, cursor: str | None) -> Page[Ticket]:
        page = int(cursor or 1)
        query = [("title", word) for word in text.split()] + [
            ("@fields", _FIELDS),
            ("@verbose", "2"),
            ("@sort", "-activity"),
            ("@page_size", str(limit + 1)),
            ("@page_index", "1"),
        ]
        # One page that holds all pages up to this one and one more ticket: Roundup's own pages
        # would have to be of one size.
        query[-2] = ("@page_size", str(limit * page + 1))
        found = self._list(http, self._class, query)
        shown = [self._shown(str(row["id"]), row) for row in found[limit * (page - 1) :]]
        return Page(shown[:limit], str(page + 1) if len(shown) > limit else None)

    def _changes(
        self, http: Exchange, since: datetime, limit: int, cursor: str | None
    ) -> Page[Ticket]:
        def fetch(moment: datetime, page: int | None) -> tuple[list[Ticket | Unread], int | None]:
            page = page or 1
            query = [
                ("activity", f"from {moment.strftime(_MOMENT)}"),
                ("@fields", _FIELDS),
                ("@verbose", "2"),
                ("@sort", "activity,id"),
                ("@page_size", str(limit + 1)),
                ("@page_index", str(page)),
            ]
            rows = self._list(http, self._class, query)
            shown = self._each(rows, lambda row: self._shown(str(row["id"]), row))
            return shown, page + 1 if len(rows) > limit else None

        return paging.walk(fetch, since.replace(microsecond=0), limit, cursor)

    def _choices(self, http: Exchange, field: TicketField) -> Sequence[Choice]:
        # What others call a type is a priority in the classic template.
        if field == TicketField.TYPE:
            return []
        query = {"@fields": "id,name", "@sort": "order"}
        return named(self._list(http, field.value.lower(), query))

    def _find(self, http: Exchange, mark: str) -> Ticket | None:
        message = self._message(http, mark)
        if message is None:
            return None
        found = self._list(http, self._class, {"messages": message, "@fields": "id"})
        return self._get(http, str(found[0]["id"])) if found else None

    def _create(self, http: Exchange, draft: Draft) -> str:
        message = self._message(http, draft.mark) or self._said(
            http, draft.description or draft.summary, draft.mark
        )
        values: dict[str, Any] = {"title": draft.summary.strip(), "messages": [message]}
        if draft.kind:
            values["priority"] = draft.kind
        answer = http.request("POST", f"/rest/data/{self._class}", body=values)
        return str(self._data(self._good(answer, "create it", names=_NAMES))["id"])

    def _change(self, http: Exchange, before: Ticket, change: Change) -> None:
        values = {
            name: value
            for name, value in (
                ("title", change.summary and change.summary.strip()),
                ("status", change.status),
                ("assignedto", change.assignee),
            )
            if value is not None
        }
        self._require_known(http, values)
        path = f"/rest/data/{self._class}{segments([before.id])}"
        answer = http.request("PUT", path, body=values, headers={"If-Match": before.version})
        self._good(answer, "change it", before.key, names=_NAMES)

    def _find_comment(self, http: Exchange, ticket_id: str, mark: str) -> str | None:
        message = self._message(http, mark)
        if message is None:
            self._get(http, ticket_id)
            return None
        self._attach(http, ticket_id, message)
        return message

    def _comment(self, http: Exchange, ticket_id: str, text: str, mark: str) -> str:
        message = self._said(http, text, mark)
        self._attach(http, ticket_id, message)
        return message

    def _findings(self, http: Exchange) -> dict[Capability, Finding]:
        me = self._list(
            http,
            "user",
            {"username:": self.connection.user_name, "@fields": "username,roles"},
        )
        roles = str(me[0].get("roles") or "") if me else ""
        who = f"{self.connection.user_name} ({roles})" if roles else self.connection.user_name
        listing = self._found(lambda: self._list(http, self._class, {"@page_size": "1"}))
        return {
            Capability.CREDENTIALS: Finding(works=True, text=who),
            Capability.SEARCH: listing,
            Capability.CHANGES: listing,
            Capability.CREATE: self._allowed(http, self._class),
            Capability.COMMENT: self._allowed(http, "msg"),
            Capability.BACKLINK: self._allowed(http, "msg"),
        }

    def _allowed(self, http: Exchange, name: str) -> Finding:
        """Return whether the login may make one, by the token that Roundup gives before it."""
        answer = http.request("POST", f"/rest/data/{name}/@poe", body={})
        if answer.is_good:
            return Finding(works=None, text="Its role decides when it is written.")
        return Finding(works=False, text=answer.detail() or f"It answers with {answer.status}.")

    def _element(self, http: Exchange, ticket_id: str) -> dict[str, Any]:
        answer = http.get(
            f"/rest/data/{self._class}{segments([ticket_id])}",
            {"@fields": f"{_FIELDS},messages", "@verbose": "2"},
        )
        return self._data(self._good(answer, "show it", self._key(ticket_id)))

    def _list(
        self, http: Exchange, name: str, query: dict[str, str] | list[tuple[str, str]]
    ) -> list[dict[str, Any]]:
        answer = self._good(http.get(f"/rest/data/{name}", query), f"list each {name}")
        found = self._data(answer).get("collection")
        if not isinstance(found, list):
            raise errors.AnswerUnusable(self.name, "it has no collection")
        return found

    def _data(self, answer: Answer) -> dict[str, Any]:
        found = answer.object().get("data")
        if not isinstance(found, dict):
            raise errors.AnswerUnusable(self.name, "it has no data")
        return found

    def _message(self, http: Exchange, mark: str) -> str | None:
        found = self._list(http, "msg", {"messageid:": mark, "@fields": "id"})
        return str(found[0]["id"]) if found else None

    def _said(self, http: Exchange, text: str, mark: str) -> str:
        """Write a message that no issue has yet, and return its id."""
        values = {
            "content": text,
            "author": self.connection.user_name,
            "date": ".",
            "messageid": mark,
        }
        answer = self._good(http.request("POST", "/rest/data/msg", body=values), "write a message")
        return str(self._data(answer)["id"])

    def _attach(self, http: Exchange, ticket_id: str, message: str) -> None:
        """Put a message into an issue, unless it is there; again where somebody was faster."""
        path = f"/rest/data/{self._class}{segments([ticket_id])}"
        for last in (False,) * (_TRIES - 1) + (True,):
            found = self._element(http, ticket_id)
            held = found["attributes"].get("messages") or []
            if message in {str(one["id"]) if isinstance(one, dict) else str(one) for one in held}:
                return
            answer = http.request(
                "PATCH",
                path,
                body={"@op": "add", "messages": [message]},
                headers={"If-Match": str(found["@etag"])},
            )
            if answer.status != HTTPStatus.PRECONDITION_FAILED or last:
                self._good(answer, "write to it", self._key(ticket_id))
                return

    def _require_known(self, http: Exchange, values: Mapping[str, str]) -> None:
        """Ask for the names first: Roundup's own texts speak of ids and classes."""
        for field, kind in (("status", "status"), ("assignedto", "user")):
            name = values.get(field)
            if name and not http.get(f"/rest/data/{kind}{segments([name])}").is_good:
                known = ""
                if kind == "status":
                    rows = self._list(http, kind, {"@fields": "name"})
                    known = f"; there is {', '.join(str(row['name']) for row in rows)}"
                problem = {_NAMES[field]: f"{errors.shown(name)} is unknown{known}"}
                raise errors.ChangeRefused(self.name, "change it", problem)

    def _key(self, ticket_id: str) -> str:
        return f"{self._class}{ticket_id}"

    def _shown(self, ticket_id: str, found: Mapping[str, Any], version: str = "") -> Ticket:
        status = _label(found.get("status"))
        return Ticket(
            id=ticket_id,
            key=self._key(ticket_id),
            url=f"{self._origin}/{self._key(ticket_id)}",
            summary=str(found.get("title") or ""),
            status=status,
            category=self._category(status),
            updated_at=_moment(found.get("activity"), self.name),
            priority=_label(found.get("priority")),
            assignee=_label(found.get("assignedto"), "username"),
            version=version,
        )

    def _category(self, status: str) -> Category:
        settings = self.connection.settings
        if status in settings.get("done", _DONE):
            return Category.DONE
        if status in settings.get("in_progress", _IN_PROGRESS):
            return Category.IN_PROGRESS
        return Category.OPEN

    def _problems(self, answer: Answer, names: Mapping[str, str]) -> dict[str, str]:
        text = answer.detail() or f"status {answer.status}"
        named = next((ours for theirs, ours in names.items() if theirs in text), "")
        return {named: text}


def _class_of(connection: Connection) -> str:
    return str(connection.settings.get("class") or "issue")


def _label(found: Any, name: str = "name") -> str:
    """Return the name of what a field links to; empty when it links to nothing."""
    return str(found.get(name) or "") if isinstance(found, dict) else ""


def _moment(text: Any, tracker: str) -> datetime:
    try:
        return in_utc(datetime.strptime(str(text), _MOMENT).replace(tzinfo=UTC))
    except ValueError:
        raise errors.AnswerUnusable(tracker, "it has a moment that is none") from None
