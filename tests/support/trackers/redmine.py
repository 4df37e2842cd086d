"""A real Redmine, of Debian's packages, started for the tests; seen through `python-redmine`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import warnings
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.support.trackers.place import Place, Seen
from tests.support.waiting import wait_for
from tickets.trackers import Connection, Ticket

PROGRAM = Path("/usr/share/redmine")
#: Debian's packages make it, migrated and with the usual statuses, roles and trackers.
TEMPLATE = Path("/var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default")
ADMIN_KEY = "a" * 40
MISSING = "Redmine is not installed: apt-get install redmine redmine-sqlite puma"


def is_installed() -> bool:
    """Return whether Redmine could be started here."""
    return PROGRAM.is_dir() and os.access(TEMPLATE, os.R_OK) and bool(shutil.which("puma"))


class RedmineServer:
    """Redmine as a process, with a database of its own and three people in the project `shop`."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "log"
        self._database = folder / "redmine.db"
        self._prepare()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *("puma", "-e", "production", "-b", f"tcp://127.0.0.1:{self.port}"),
                    *("-t", "1:4", "--dir", PROGRAM, "config.ru"),
                ],
                cwd=PROGRAM,
                env={
                    **os.environ,
                    "RAILS_ENV": "production",
                    "REDMINE_INSTANCE": "default",
                    "DATABASE_URL": f"sqlite3:{self._database}",
                },
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, f"Redmine to answer; {self._log}", limit=120)
        self.keys = self._people()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def client(self, key: str = ADMIN_KEY) -> Any:
        """Return a vendor's client."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # written for an older Python
            from redminelib import Redmine

        return Redmine(self.url, key=key)

    def _prepare(self) -> None:
        """Switch REST on and give the administrator a key, in a copy of the database."""
        shutil.copyfile(TEMPLATE, self._database)
        with sqlite3.connect(self._database) as db:
            db.execute("INSERT INTO settings (name, value) VALUES ('rest_api_enabled', '1')")
            db.execute("UPDATE users SET must_change_passwd = 0")
            db.execute(
                "INSERT INTO tokens (user_id, action, value, created_on, updated_on)"
                " VALUES (1, 'api', ?, '2026-01-01', '2026-01-01')",
                [ADMIN_KEY],
            )
        db.close()

    def _people(self) -> dict[str, str]:
        """Make the projects and who works there; return each one's key."""
        admin = self.client()
        project = admin.project.create(name="Shop", identifier="shop", is_public=False)
        admin.project.create(name="Other", identifier="other", is_public=True)
        roles = {role.name: role.id for role in admin.role.all()}
        keys = {}
        for login, role in (("bot", "Manager"), ("dana", "Developer"), ("rita", "Reporter")):
            made = admin.user.create(
                login=login,
                password="a-Long-password-7",
                firstname=login.title(),
                lastname="Doe",
                mail=f"{login}@example.invalid",
            )
            admin.project_membership.create(
                project_id=project.id, user_id=made.id, role_ids=[roles[role]]
            )
            keys[login] = admin.user.get(made.id).api_key
        return keys

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/users/current.json").status_code < 500
        except httpx.TransportError:
            return False


class RedminePlace(Place):
    first_status = "New"
    other_status = "In Progress"
    done_status = "Closed"
    priorities = ("Low", "Normal", "High", "Urgent", "Immediate")
    types = ("Bug", "Feature", "Support")
    somebody = "Dana Doe"
    unknown_key = "#99999"
    wrong_keys = ("", "#", "TST-1", "12x", "#0", "1 2", "#12 #13", "Bug", "-1")

    def __init__(self, server: RedmineServer) -> None:
        self.server = server
        self.connection = Connection(
            id=UUID(int=12),
            kind="redmine",
            name="Redmine",
            base_url=server.url,
            secret=server.keys["bot"],
            project="shop",
        )

    def spellings(self, ticket: Ticket) -> list[str]:
        page = f"{self.server.url}/issues/{ticket.id}"
        typed = [f"#{ticket.id}", ticket.id, f" Bug #{ticket.id}\n"]
        return [*typed, page, f"{page}#note-3", f"{page}?tab=history", f"{page}/"]

    def seen(self, ticket_id: str) -> Seen:
        issue = self._issue(ticket_id)
        assignee = str(getattr(issue, "assigned_to", ""))
        return Seen(issue.subject, str(issue.status), assignee, issue.description)

    def comments(self, ticket_id: str) -> list[str]:
        journals = self._issue(ticket_id).journals
        return [note for journal in journals if (note := getattr(journal, "notes", ""))]

    def links(self, ticket_id: str) -> list[str]:
        return [word for text in self.comments(ticket_id) for word in text.split() if "://" in word]

    def count(self, summary: str) -> int:
        found = self.server.client().issue.filter(project_id="shop", status_id="*", subject=summary)
        return len(found)

    def remove(self, ticket_id: str) -> None:
        self.server.client().issue.delete(int(ticket_id))

    def _issue(self, ticket_id: str) -> Any:
        return self.server.client().issue.get(int(ticket_id), include=["journals"])
