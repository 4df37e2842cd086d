"""A real Roundup, started for the tests, and looked into by its own program."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from uuid import UUID

import httpx

from tests.support.trackers.place import Place, Seen
from tests.support.waiting import wait_for
from tickets.trackers import Connection, Ticket

BIN = Path(sys.executable).parent
USER, PASSWORD = "bot", "botpw-7"


class RoundupServer:
    """
    Roundup as a process, with an empty tracker in a folder of its own.

    Args:
        home: The folder; made.
        calls: Requests that it takes in four seconds; 0: any number.
    """

    def __init__(self, home: Path, *, calls: int = 0) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.home = home
        self.url = f"http://127.0.0.1:{self.port}/demo"
        self._log = home.with_suffix(".log")
        settings = {
            "tracker_web": f"{self.url}/",
            "tracker_name": "demo",
            "mail_domain": "example.invalid",
            "mail_host": "127.0.0.1",
            "admin_email": "admin@example.invalid",
            "web_api_calls_per_interval": calls,
            "web_api_interval_in_sec": 4,
            # Each request carries a password; hashing it as in earnest takes longer than all else.
            "password_pbkdf2_default_rounds": 1000,
        }
        told = ",".join(f"{name}={value}" for name, value in settings.items())
        people = [
            [
                *("create", "user", f"username={name}", f"password={PASSWORD}", "roles=User"),
                f"address={name}@example.invalid",
            ]
            for name in (USER, "dana")
        ]
        self._admin(["install", "classic", "sqlite", told], ["initialise", "adminpw-7"], *people)
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, on the same port and tracker as before, and wait until it answers."""
        arguments = ["-n", "127.0.0.1", "-p", str(self.port), "-t", "thread"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                # Roundup refuses to be root unless a user is named.
                [BIN / "roundup-server", *arguments, "-u", str(os.getuid()), f"demo={self.home}"],
                env={**os.environ, "SENDMAILDEBUG": str(self.home / "mail.log")},
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, lambda: f"Roundup to answer; {self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it; what it stored stays."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None

    def _admin(self, *commands: list[str]) -> None:
        """Do what `roundup-admin` does with these words, without a process for each."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Roundup's, on newer Pythons, are not ours to mend
            from roundup.admin import AdminTool

            tool = AdminTool()
            tool.tracker_home, tool.name = str(self.home), "admin"
            for words in commands:
                assert tool.run_command(words) == 0, words
            tool.db.commit()
            tool.db.close()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/rest/", auth=(USER, PASSWORD)).status_code < 500
        except httpx.TransportError:
            return False


class RoundupPlace(Place):
    first_status = "unread"
    other_status = "in-progress"
    done_status = "resolved"
    priorities = ("critical", "urgent", "bug", "feature", "wish")
    somebody = "dana"
    unknown_key = "issue99999"
    wrong_keys = ("", "issue", "msg1", "issue0", "issue1x", "12 13", "TST-1", "#", "issue-1")

    def __init__(self, server: RoundupServer) -> None:
        self.server = server
        self.connection = Connection(
            id=UUID(int=11),
            kind="roundup",
            name="Roundup",
            base_url=server.url,
            user_name=USER,
            secret=PASSWORD,
        )

    def spellings(self, ticket: Ticket) -> list[str]:
        number = ticket.id
        page = f"{self.server.url}/issue{number}"
        return [
            f"issue{number}",
            f"Issue{number}",
            f" #{number} ",
            number,
            page,
            f"{page}?@ok=1#msg2",
        ]

    # The oracle: Roundup's own database layer, through its program's way in.

    def seen(self, ticket_id: str) -> Seen:
        with self._database() as db:
            issue = db.issue.getnode(ticket_id)
            assignee = db.user.get(issue.assignedto, "username") if issue.assignedto else ""
            first = db.msg.get(issue.messages[0], "content") if issue.messages else ""
            return Seen(issue.title, db.status.get(issue.status, "name"), assignee, first)

    def comments(self, ticket_id: str) -> list[str]:
        with self._database() as db:
            return [db.msg.get(one, "content") for one in db.issue.get(ticket_id, "messages")]

    def links(self, ticket_id: str) -> list[str]:
        return [word for text in self.comments(ticket_id) for word in text.split() if "://" in word]

    def count(self, summary: str) -> int:
        with self._database() as db:
            return sum(db.issue.get(one, "title") == summary for one in db.issue.list())

    def times_changed(self, ticket_id: str, field: str) -> int:
        """Return how often a field of a ticket was changed, by the tracker's own history."""
        with self._database() as db:
            return sum(
                action == "set" and field in before
                for _, _, _, action, before in db.issue.history(ticket_id)
            )

    def filled(self, count: int) -> list[str]:
        """Return the ids of so many new tickets."""
        with self._database() as db:
            made = [db.issue.create(title=f"Filler {number}") for number in range(count)]
            db.commit()
            return made

    def touch(self, ticket_ids: list[str], title: str) -> None:
        """Change tickets, so that they are the newest changes."""
        with self._database() as db:
            for one in ticket_ids:
                db.issue.set(one, title=title)
            db.commit()

    def remove(self, ticket_id: str) -> None:
        with self._database() as db:
            db.issue.retire(ticket_id)
            db.commit()

    def _database(self) -> _Database:
        return _Database(self.server.home)


class _Database:
    """Roundup's own database layer, opened as its administrator."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __enter__(self):  # noqa: ANN204 - Roundup has no types
        self._quiet = warnings.catch_warnings()
        self._quiet.__enter__()
        warnings.simplefilter("ignore")
        from roundup import instance

        self._db = instance.open(str(self._home)).open("admin")
        return self._db

    def __exit__(self, *trouble: object) -> None:
        self._db.close()
        self._quiet.__exit__(None, None, None)
