"""An upload whose server is killed: what is left, and who removes it."""

from __future__ import annotations

import http.client
import os
import signal
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import override_settings

from backgroundtasks import clock
from tests.support import factories
from tests.support.http import Caller, Server
from tests.support.projects import IncidentFactory
from tests.support.uploads import files_in, multipart
from tests.support.waiting import wait_for
from tests.support.workers import exists
from tickets import attachments, conf
from tickets.models import Attachment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.acceptance]


def test_a_server_that_is_killed_in_an_upload_leaves_a_file_for_the_cleaner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKCENTER_FILES_DIR", str(tmp_path))
    caller = Caller(factories.actor())
    incident = IncidentFactory.create(project__account=caller.actor.account)
    path = f"/api/incident/{incident.pk}/attachments"
    headers = 'Content-Disposition: form-data; name="f"; filename="dump"'
    body, kind = multipart((headers, os.urandom(8 * 1024 * 1024)))

    with Server() as server:
        sending = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        sending.putrequest("POST", path)
        for name, value in {
            **caller.headers,
            "Content-Type": kind,
            "Content-Length": str(len(body)),
        }.items():
            sending.putheader(name, value)
        sending.endheaders()
        sending.send(body[: len(body) // 2])
        wait_for(lambda: any(path.stat().st_size for path in files_in(tmp_path)), "the file")

        os.killpg(server.process.pid, signal.SIGKILL)
        wait_for(lambda: not exists(server.process.pid) or server.process.poll(), "its end")
        sending.close()

    assert not Attachment.objects.exists()
    [left] = files_in(tmp_path)
    assert 0 < left.stat().st_size < len(body)
    old = (clock.now() - conf.ABANDONED_AFTER - timedelta(minutes=1)).timestamp()
    os.utime(left, (old, old))
    store = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    with override_settings(STORAGES={"uploads": store}):
        assert sum(attachments.remove_leftovers()) == 1
    assert not files_in(tmp_path)
