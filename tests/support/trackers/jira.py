"""
A Jira that is only as much of one as the connector and the vendor's client ask for.

It is strict where Jira is: it refuses JQL that it does not know, texts in the other edition's
form, unknown people, types and transitions. Jira itself cannot be run here; `make conformance`
holds the requests to Atlassian's own document. Others see it through PyPI's `jira`.
"""

from __future__ import annotations

import base64
import re
import warnings
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from tests.support.trackers.fakes import Asked, FakeServer, Refusal, Said
from tests.support.trackers.place import Place, Seen
from tickets.trackers import Connection, Ticket
from tickets.trackers.jira import adf

USER, TOKEN = "bot@example.invalid", "an-api-token-7"
STATUSES = {
    "Open": ("1", "new"),
    "In Progress": ("3", "indeterminate"),
    "Done": ("10002", "done"),
}
PRIORITIES = ("Highest", "High", "Medium", "Low")
PEOPLE = {"bot": "5b10a0effa615349cb016cd8", "dana": "5b10ac8d82e05b22cc7d4ef5"}
MARK = re.compile(r"\(task-center [^)]+\)")


class FakeJira(FakeServer):
    """Issues of the projects TST and OTH; `edition` is `cloud` or `datacenter`."""

    def __init__(self, edition: str) -> None:
        self.edition = edition
        self.api = "/rest/api/3" if edition == "cloud" else "/rest/api/2"
        self.person = "accountId" if edition == "cloud" else "name"
        self.issues: dict[str, dict[str, Any]] = {}
        self.moved: dict[str, str] = {}
        self._ids = count(10001)
        self._numbers = {"TST": count(1), "OTH": count(1)}
        self._last = datetime.now(UTC)
        login = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        self.logins = {f"Basic {login}"} | (
            {"Bearer a-pat-7"} if edition == "datacenter" else set()
        )
        super().__init__()

    def move(self, issue_id: str, project: str) -> str:
        """Move an issue, as its people do; the old key still leads to it."""
        issue = self.issues[issue_id]
        self.moved[issue["key"]] = issue_id
        issue["key"] = f"{project}-{next(self._numbers[project])}"
        return str(issue["key"])

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") not in self.logins:
            return Said(401, {"message": "Client must be authenticated."})
        if not asked.path.startswith(f"{self.api}/"):
            return Said(404, {"message": "null for uri"})
        parts = asked.path.removeprefix(f"{self.api}/").split("/")
        name = f"{asked.method.lower()}_{'_'.join([parts[0], *parts[2:]])}"
        if parts[0] == "search":
            name = f"{asked.method.lower()}_{'_'.join(parts)}"
        if self.edition == "cloud" and name.endswith("_search"):
            return Said(410, {"errorMessages": ["The requested API has been removed."]})
        known = getattr(self, f"_{name}", None)
        if known is None:
            return Said(404, {"errorMessages": [f"No {name} here."]})
        return (
            known(asked)
            if parts[0] != "issue" or len(parts) == 1
            else self._of_issue(known, asked, parts[1])
        )

    def _of_issue(self, known: Any, asked: Asked, text: str) -> Said:
        issue_id = self.moved.get(text.upper(), text)
        for found in self.issues.values():
            if issue_id in {found["id"], found["key"]}:
                return known(asked, found)
        raise _wrong(404, general="Issue does not exist or you do not have permission to see it.")

    # --- one method for each request ---

    def _get_myself(self, asked: Asked) -> Said:
        return Said(200, self._who("bot"))

    def _get_serverInfo(self, asked: Asked) -> Said:  # noqa: N802 - as its path
        cloud = self.edition == "cloud"
        version = [1001, 0, 0] if cloud else [10, 3, 2]
        kind = "Cloud" if cloud else "Server"
        return Said(200, {"version": "x", "versionNumbers": version, "deploymentType": kind})

    def _get_field(self, asked: Asked) -> Said:
        return Said(200, [])

    def _get_priority(self, asked: Asked) -> Said:
        return Said(200, [{"id": str(n), "name": name} for n, name in enumerate(PRIORITIES, 1)])

    def _get_status(self, asked: Asked) -> Said:
        return Said(200, [self._status(name) for name in STATUSES])

    def _get_issuetype(self, asked: Asked) -> Said:
        return Said(200, [{"id": "1", "name": "Bug"}, {"id": "2", "name": "Task"}])

    def _get_project_statuses(self, asked: Asked) -> Said:
        if asked.path.split("/")[-2] not in self._numbers:
            raise _wrong(404, general="No project could be found.")
        statuses = [self._status(name) for name in STATUSES]
        both = {"1": "Bug", "2": "Task"}
        return Said(
            200, [{"id": n, "name": name, "statuses": statuses} for n, name in both.items()]
        )

    def _post_issue(self, asked: Asked) -> Said:
        fields = asked.body["fields"]
        problems = {}
        if fields.get("project", {}).get("key") not in self._numbers:
            problems["project"] = "valid project is required"
        if fields.get("issuetype", {}).get("name") not in {"Bug", "Task"}:
            problems["issuetype"] = "The issue type selected is invalid."
        if not fields.get("summary") or len(fields["summary"]) > 255:
            problems["summary"] = "You must specify a summary of the issue."
        if problems:
            raise _wrong(400, **problems)
        issue_id = str(next(self._ids))
        project = fields["project"]["key"]
        self.issues[issue_id] = {
            "id": issue_id,
            "key": f"{project}-{next(self._numbers[project])}",
            "summary": fields["summary"],
            "type": fields["issuetype"]["name"],
            "description": self._long(fields["description"]) if "description" in fields else None,
            "labels": fields.get("labels") or [],
            "status": "Open",
            "assignee": "",
            "updated": self._now(),
            "comments": [],
            "links": [],
        }
        if any(" " in label for label in fields.get("labels") or []):
            raise _wrong(400, labels="The label can't contain spaces.")
        return Said(201, {"id": issue_id, "key": self.issues[issue_id]["key"]})

    def _get_issue(self, asked: Asked, issue: dict[str, Any]) -> Said:
        return Said(200, self._shown(issue))

    def _put_issue(self, asked: Asked, issue: dict[str, Any]) -> Said:
        fields = asked.body["fields"]
        if not fields.get("summary", "x"):
            raise _wrong(400, summary="You must specify a summary of the issue.")
        if "assignee" in fields:
            who = (fields["assignee"] or {}).get(self.person, "")
            issue_assignee = next(
                (name for name in PEOPLE if self._who(name)[self.person] == who), None
            )
            if who and issue_assignee is None:
                raise _wrong(400, assignee=f"User '{who}' does not exist.")
            issue["assignee"] = issue_assignee or ""
        issue["summary"] = fields.get("summary", issue["summary"])
        issue["updated"] = self._now()
        return Said(204)

    def _delete_issue(self, asked: Asked, issue: dict[str, Any]) -> Said:
        del self.issues[issue["id"]]
        return Said(204)

    def _get_issue_transitions(self, asked: Asked, issue: dict[str, Any]) -> Said:
        ways = [
            {"id": number, "name": f"To {name}", "to": self._status(name)}
            for name, (number, _) in STATUSES.items()
            if name != issue["status"]
        ]
        return Said(200, {"transitions": ways})

    def _post_issue_transitions(self, asked: Asked, issue: dict[str, Any]) -> Said:
        wanted = asked.body["transition"]["id"]
        names = [name for name, (number, _) in STATUSES.items() if number == wanted]
        if names in ([], [issue["status"]]):
            raise _wrong(400, general="It is not on the current workflow step.")
        issue["status"] = names[0]
        issue["updated"] = self._now()
        return Said(204)

    def _get_issue_comment(self, asked: Asked, issue: dict[str, Any]) -> Said:
        begin = int(asked.query.get("startAt", 0))
        size = int(asked.query.get("maxResults", 50))
        comments = issue["comments"]
        if asked.query.get("orderBy") == "-created":
            comments = comments[::-1]
        page = comments[begin : begin + size]
        return Said(200, {"comments": page, "startAt": begin, "total": len(comments)})

    def _post_issue_comment(self, asked: Asked, issue: dict[str, Any]) -> Said:
        made = {"id": str(next(self._ids)), "body": self._long(asked.body["body"])}
        issue["comments"].append(made)
        issue["updated"] = self._now()
        return Said(201, made)

    def _get_issue_remotelink(self, asked: Asked, issue: dict[str, Any]) -> Said:
        return Said(200, issue["links"])

    def _post_issue_remotelink(self, asked: Asked, issue: dict[str, Any]) -> Said:
        link = asked.body
        if not link["object"].get("url") or not link["object"].get("title"):
            raise _wrong(400, title="'title' is required.")
        for held in issue["links"]:
            if held["globalId"] == link["globalId"]:
                held.update(link)
                return Said(200, {"id": held["id"], "self": self.url})
        made = {**link, "id": next(self._ids)}
        issue["links"].append(made)
        return Said(201, {"id": made["id"], "self": self.url})

    def _get_search(self, asked: Asked) -> Said:
        found = self._found(asked.query["jql"])
        begin, size = int(asked.query.get("startAt", 0)), int(asked.query.get("maxResults", 50))
        page = [self._shown(issue) for issue in found[begin : begin + size]]
        return Said(
            200, {"issues": page, "startAt": begin, "total": len(found), "maxResults": size}
        )

    def _get_search_jql(self, asked: Asked) -> Said:
        return self._post_search_jql(Asked("POST", "", {}, {}, dict(asked.query)))

    def _post_search_jql(self, asked: Asked) -> Said:
        found = self._found(asked.body["jql"])
        begin = int(asked.body.get("nextPageToken") or 0)
        end = begin + int(asked.body.get("maxResults") or 50)
        fields = asked.body.get("fields")
        shown = [
            self._shown(issue) if fields else {"id": issue["id"]} for issue in found[begin:end]
        ]
        more = {"nextPageToken": str(end)} if end < len(found) else {"isLast": True}
        return Said(200, {"issues": shown, **more})

    # --- what they use ---

    def _found(self, jql: str) -> list[dict[str, Any]]:
        conditions, _, order = jql.partition(" ORDER BY ")
        found = list(self.issues.values())
        for condition in conditions.split(" AND "):
            found = [issue for issue in found if self._fits(condition.strip(), issue)]
        named = re.fullmatch(r"(updated|created) (ASC|DESC)", order)
        if not named:
            raise _wrong(400, general=f"Error in the JQL query: {order}")
        by = "updated" if named[1] == "updated" else "id"
        return sorted(found, key=lambda issue: issue[by], reverse=named[2] == "DESC")

    def _fits(self, condition: str, issue: dict[str, Any]) -> bool:
        known = re.fullmatch(r'(project|labels|text|updated) (=|~|>=) "([^"\\]*)"', condition)
        if not known:
            raise _wrong(400, general=f"Error in the JQL query: {condition}")
        name, value = known[1], known[3]
        if name == "project":
            return bool(issue["key"].startswith(f"{value}-"))
        if name == "labels":
            return value in issue["labels"]
        if name == "updated":
            minutes = re.fullmatch(r"-(\d+)m", value)
            if not minutes:
                raise _wrong(400, general=f"Date value '{value}' is invalid.")
            whole = datetime.now(UTC).replace(second=0, microsecond=0)
            return bool(issue["updated"] >= whole - timedelta(minutes=int(minutes[1])))
        if re.search(r"[^\w ]", value):
            raise _wrong(400, general="The text query is not allowed to hold special characters.")
        text = f"{issue['summary']} {adf.text(issue['description'])}".lower()
        return all(word in text for word in value.lower().split())

    def _shown(self, issue: dict[str, Any]) -> dict[str, Any]:
        fields = {
            "summary": issue["summary"],
            "description": issue["description"],
            "status": self._status(issue["status"]),
            "issuetype": {"name": issue["type"]},
            "priority": {"name": "Medium"},
            "assignee": self._who(issue["assignee"]) if issue["assignee"] else None,
            "project": {"key": issue["key"].partition("-")[0]},
            "labels": issue["labels"],
            "updated": issue["updated"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        }
        here = f"{self.url}{self.api}/issue/{issue['id']}"
        return {"id": issue["id"], "key": issue["key"], "self": here, "fields": fields}

    def _status(self, name: str) -> dict[str, Any]:
        number, category = STATUSES[name]
        return {"id": number, "name": name, "statusCategory": {"key": category}}

    def _who(self, name: str) -> dict[str, Any]:
        person = PEOPLE[name] if self.edition == "cloud" else name
        return {self.person: person, "displayName": name.title()}

    def _long(self, text: Any) -> Any:
        if isinstance(text, dict) != (self.edition == "cloud"):
            raise _wrong(400, comment="Operation value must be an Atlassian Document or a string.")
        return text

    def _now(self) -> datetime:
        """Return a moment that no earlier change has, in milliseconds as Jira keeps them."""
        self._last = max(self._last + timedelta(milliseconds=1), datetime.now(UTC))
        return self._last.replace(microsecond=self._last.microsecond // 1000 * 1000)


class JiraPlace(Place):
    first_status = "Open"
    other_status = "In Progress"
    done_status = "Done"
    priorities = PRIORITIES
    types = ("Bug", "Task")
    unknown_key = "TST-99999"
    wrong_keys = ("", "TST", "TST-", "TST-0", "TST-12x", "T-1-2", "OTH-1", "TST 1", "-12")

    def __init__(self, server: FakeJira) -> None:
        self.server = server
        cloud = server.edition == "cloud"
        self.somebody = PEOPLE["dana"] if cloud else "dana"
        self.connection = Connection(
            id=UUID(int=13 if cloud else 14),
            kind="jira",
            name="Jira",
            base_url=server.url,
            user_name=USER if cloud else "",
            secret=TOKEN if cloud else "a-pat-7",
            project="TST",
            settings={"edition": server.edition},
        )

    def spellings(self, ticket: Ticket) -> list[str]:
        key, url = ticket.key, self.server.url
        pages = [
            f"{url}/browse/{key}",
            f"{url}/browse/{key}?focusedCommentId=7#comment-7",
            f"{url}/projects/TST/issues/{key}",
            f"{url}/jira/software/c/projects/TST/boards/1?selectedIssue={key}",
            url.removeprefix("http://") + f"/browse/{key}",
        ]
        return [key, key.lower(), f" {key}\n", key.rpartition("-")[2], *pages]

    def client(self) -> Any:
        """Return PyPI's client, with the administrator's login."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from jira import JIRA

        version = self.server.api.rpartition("/")[2]
        return JIRA(
            self.server.url,
            basic_auth=(USER, TOKEN),
            options={"rest_api_version": version},
            max_retries=0,
        )

    def seen(self, ticket_id: str) -> Seen:
        fields = self.client().issue(ticket_id).raw["fields"]
        assignee = (fields["assignee"] or {}).get(self.server.person, "")
        said = adf.text(fields["description"])
        return Seen(fields["summary"], fields["status"]["name"], assignee, said)

    def comments(self, ticket_id: str) -> list[str]:
        return [adf.text(comment.raw["body"]) for comment in self.client().comments(ticket_id)]

    def links(self, ticket_id: str) -> list[str]:
        return [link.object.url for link in self.client().remote_links(ticket_id)]

    def count(self, summary: str) -> int:
        return sum(issue["summary"] == summary for issue in self.server.issues.values())

    def remove(self, ticket_id: str) -> None:
        self.client().issue(ticket_id).delete()


def _wrong(status: int, *, general: str = "", **problems: str) -> Refusal:
    return Refusal(
        Said(status, {"errorMessages": [general] if general else [], "errors": problems})
    )
