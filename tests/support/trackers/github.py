"""
A GitHub that is only as much of one as the connector asks for, with two repositories.

It is strict where GitHub is. GitHub itself cannot be run here; `make conformance` holds the
requests to GitHub's own document.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from tests.support.trackers.fakes import Asked, FakeServer, Refusal, Said
from tests.support.trackers.place import Place, Seen
from tickets.trackers import Connection, Ticket

TOKEN = "ghp-a-token-7"
HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
PEOPLE = {"bot", "dana"}


class FakeGithub(FakeServer):
    """Issues of `shop/web` and `shop/other`, below `/api/v3` as on a server of one's own."""

    def __init__(self) -> None:
        self.issues: dict[tuple[str, int], dict[str, Any]] = {}
        self.moved: dict[tuple[str, int], tuple[str, int]] = {}
        self._numbers = {"shop/web": count(1), "shop/other": count(1)}
        self._ids = count(5000)
        super().__init__()

    def move(self, number: int, repository: str) -> int:
        """Transfer an issue, as its people do; the old address leads to it."""
        issue = self.issues.pop(("shop/web", number))
        new = next(self._numbers[repository])
        self.moved["shop/web", number] = (repository, new)
        issue["shown"] |= {
            "number": new,
            "repository_url": f"{self.url}/api/v3/repos/{repository}",
        }
        self.issues[repository, new] = issue
        return new

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Said(401, {"message": "Bad credentials"})
        path = asked.path.removeprefix("/api/v3")
        if path == "/search/issues":
            return self._search(asked)
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(?:/issues(?:/(\d+))?(/comments)?)?", path)
        if not found or found[1] not in self._numbers:
            raise _missing()
        repository = found[1]
        if not path.startswith(f"/repos/{repository}/issues"):
            return Said(200, {"has_issues": True, "permissions": {"pull": True, "push": True}})
        if found[2] is None:
            creates = asked.method == "POST"
            return self._create(repository, asked) if creates else self._list(repository, asked)
        return self._of_issue(repository, int(found[2]), asked, comments=bool(found[3]))

    def _of_issue(self, repository: str, number: int, asked: Asked, *, comments: bool) -> Said:
        if (repository, number) in self.moved:
            there = "{}/issues/{}".format(*self.moved[repository, number])
            return Said(301, {"message": "Moved"}, {"Location": f"{self.url}/api/v3/repos/{there}"})
        issue = self.issues.get((repository, number))
        if issue is None:
            raise _missing()
        if issue.get("deleted"):
            return Said(410, {"message": "This issue was deleted"})
        if comments:
            return self._comments(issue, asked)
        changes = asked.method == "PATCH"
        return Said(200, self._changed(issue, asked.body) if changes else issue["shown"])

    def _create(self, repository: str, asked: Asked) -> Said:
        if not str(asked.body.get("title") or "").strip():
            raise _invalid("title")
        number = next(self._numbers[repository])
        shown = {
            "number": number,
            "title": asked.body["title"],
            "body": asked.body.get("body"),
            "state": "open",
            "assignee": None,
            "assignees": [],
            "comments": 0,
            "repository_url": f"{self.url}/api/v3/repos/{repository}",
        }
        self.issues[repository, number] = {"shown": shown, "comments": []}
        self._touch(shown)
        return Said(201, shown)

    def _changed(self, issue: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = issue["shown"]
        if body.get("state", "open") not in {"open", "closed"}:
            raise _invalid("state")
        if not str(body.get("title", "x")).strip():
            raise _invalid("title")
        if "assignees" in body:
            # As GitHub does it: who may not be one is left out.
            people = [{"login": name} for name in body["assignees"] if name in PEOPLE]
            if people or not body["assignees"]:
                shown |= {"assignees": people, "assignee": people[0] if people else None}
        shown |= {name: body[name] for name in ("title", "state") if name in body}
        self._touch(shown)
        return shown

    def _comments(self, issue: dict[str, Any], asked: Asked) -> Said:
        if asked.method == "POST":
            made = {"id": next(self._ids), "body": asked.body["body"]}
            issue["comments"].append(made)
            issue["shown"]["comments"] += 1
            self._touch(issue["shown"])
            return Said(201, made)
        return Said(200, self._page(issue["comments"], asked))

    def _list(self, repository: str, asked: Asked) -> Said:
        since = asked.query.get("since", "")
        rows = [
            issue["shown"]
            for (where, _), issue in self.issues.items()
            if where == repository and not issue.get("deleted")
            if issue["shown"]["updated_at"] >= since
        ]
        if asked.query.get("state") != "all":
            rows = [row for row in rows if row["state"] == "open"]
        by = {"updated": "updated_at", "created": "number"}[asked.query.get("sort", "created")]
        rows.sort(key=lambda row: row[by], reverse=asked.query.get("direction") != "asc")
        return Said(200, self._page(rows, asked))

    def _search(self, asked: Asked) -> Said:
        query = asked.query["q"]
        repository = re.search(r"repo:(\S+)", query)
        if repository is None or "is:issue" not in query:
            raise _invalid("q")
        words = (
            re.sub(r"\S+:\S+", "", query.replace('"', ""))
            if '"' not in query
            else query.split('"')[1]
        )
        rows = [
            issue["shown"]
            for (where, _), issue in self.issues.items()
            if where == repository[1] and not issue.get("deleted")
            if all(
                word.lower() in f"{issue['shown']['title']} {issue['shown']['body']}".lower()
                for word in words.split()
            )
        ]
        page = self._page(rows, asked)
        return Said(200, {"total_count": len(rows), "incomplete_results": False, "items": page})

    @staticmethod
    def _page(rows: list[Any], asked: Asked) -> list[Any]:
        size, page = int(asked.query.get("per_page", 30)), int(asked.query.get("page", 1))
        return rows[size * (page - 1) : size * page]

    @staticmethod
    def _touch(shown: dict[str, Any]) -> None:
        shown["updated_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class GithubPlace(Place):
    first_status = "open"
    other_status = "closed"
    done_status = "closed"
    somebody = "dana"
    unknown_key = "#99999"
    wrong_keys = ("", "#", "shop/other#1", "TST-1", "12x", "#0", "web#1", "shop/web", "1 2")

    def __init__(self, server: FakeGithub) -> None:
        self.server = server
        self.connection = Connection(
            id=UUID(int=15),
            kind="github",
            name="GitHub",
            base_url=server.url,
            secret=TOKEN,
            project="shop/web",
        )

    def spellings(self, ticket: Ticket) -> list[str]:
        number = ticket.id
        page = f"{self.server.url}/shop/web/issues/{number}"
        typed = [
            f"#{number}",
            number,
            f" GH-{number}\n",
            f"shop/web#{number}",
            f"Shop/Web#{number}",
        ]
        return [*typed, page, f"{page}#issuecomment-7", f"{page}?a=b"]

    def seen(self, ticket_id: str) -> Seen:
        shown = self._issue(ticket_id)["shown"]
        assignee = (shown["assignee"] or {}).get("login", "")
        return Seen(shown["title"], shown["state"], assignee, HIDDEN.sub("", shown["body"] or ""))

    def comments(self, ticket_id: str) -> list[str]:
        return [HIDDEN.sub("", comment["body"]) for comment in self._issue(ticket_id)["comments"]]

    def links(self, ticket_id: str) -> list[str]:
        return [word for text in self.comments(ticket_id) for word in text.split() if "://" in word]

    def count(self, summary: str) -> int:
        rows = [issue["shown"] for issue in self.server.issues.values()]
        return sum(row["title"] == summary for row in rows)

    def remove(self, ticket_id: str) -> None:
        self._issue(ticket_id)["deleted"] = True

    def _issue(self, ticket_id: str) -> dict[str, Any]:
        return self.server.issues["shop/web", int(ticket_id)]


def _missing() -> Refusal:
    return Refusal(Said(404, {"message": "Not Found"}))


def _invalid(field: str) -> Refusal:
    problem = {"resource": "Issue", "code": "invalid", "field": field}
    return Refusal(Said(422, {"message": "Validation Failed", "errors": [problem]}))
