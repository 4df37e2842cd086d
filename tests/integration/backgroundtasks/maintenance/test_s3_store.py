"""The S3 store against a real server: whole or nothing, in bounded memory, with clear refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from backgroundtasks import closed, operations, queries, scheduling
from backgroundtasks.handlers import Actor
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import backup, errors, restore, stores
from backgroundtasks.maintenance.handlers.backup_retention_cleaner import BackupRetentionCleaner
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
from backgroundtasks.maintenance.stores import s3
from backgroundtasks.models import Account, BackupStore
from backgroundtasks.states import State
from tests.support import factories, object_store
from tests.support.object_store import KEY, SECRET, ObjectStore
from tests.support.rows import all_rows
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.acceptance]

PASSCODE = "correct horse"
WISH: dict[str, Any] = {"name": "nightly", "passcode": PASSCODE, "storeName": "cloud"}
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def process() -> Iterator[ObjectStore]:
    with object_store.running() as server:
        yield server


@pytest.fixture
def server(process: ObjectStore) -> ObjectStore:
    process.reset()
    process.client().create_bucket(Bucket="backups")
    return process


@pytest.fixture
def root(installation: Path) -> Actor:
    account = Account.objects.create(name="System", is_system=True)
    return queries.actor_of(
        factories.UserFactory.create(username="root", is_superuser=True), account.pk
    )


@pytest.fixture
def cloud(server: ObjectStore, root: Actor) -> stores.Store:
    register(root, server)
    return stores.get("cloud")


def register(root: Actor, server: ObjectStore, **settings: str) -> None:
    operations.register_store(
        root,
        "cloud",
        "s3",
        {"bucket": "backups", "prefix": "here", "endpoint_url": server.url, **settings},
        {"access_key_id": KEY, "secret_access_key": SECRET},
    )


def keys(server: ObjectStore) -> list[str]:
    listed = server.client().list_objects_v2(Bucket="backups")
    return [found["Key"] for found in listed.get("Contents", ())]


def uploads(server: ObjectStore) -> list[str]:
    listed = server.client().list_multipart_uploads(Bucket="backups")
    return [found["Key"] for found in listed.get("Uploads", ())]


@pytest.mark.django_db(transaction=True)
def test_what_is_backed_up_there_comes_back(
    installation: Path, server: ObjectStore, cloud: stores.Store
) -> None:
    factories.run(State.SUCCEEDED)
    (installation / "files/results").mkdir(parents=True)
    (installation / "files/results/large").write_bytes(os.urandom(20 * MEBIBYTE))
    made = perform(CreateBackup, WISH)
    assert made.state == State.SUCCEEDED, made.error
    name = made.result["name"]
    assert keys(server) == [f"here/{name}.json", f"here/{name}.tcbackup"]
    assert uploads(server) == []
    before = all_rows()
    Account.objects.create(name="Made since")
    closed.close("A test.")
    try:
        restore.restore(
            cloud, name, PASSCODE, after=scheduling.rearm, told=lambda _: None, stage=lambda _: None
        )
    finally:
        closed.reopen()

    assert all_rows() == before


def test_it_is_listed_described_annotated_and_deleted(
    installation: Path, server: ObjectStore, cloud: stores.Store
) -> None:
    wish = WISH | {"description": "Before", "retentionOffset": 86_400_000}
    name = perform(CreateBackup, wish).result["name"]

    [[found], unreadable] = stores.listed(cloud)

    assert (found.name, found.description, found.whole) == (name, "Before", True)
    assert found.size == cloud.size(name)
    assert found.retention_date is not None
    assert unreadable == []
    cloud.annotate(name, {"size": 1})
    assert cloud.notes(name) == {"size": 1}
    cloud.delete(name)
    assert keys(server) == []
    for ask in (cloud.delete, cloud.size, cloud.notes, cloud.open):
        with pytest.raises(errors.BackupNotFound):
            ask(name)


def test_other_objects_of_the_bucket_are_no_backups(
    server: ObjectStore, cloud: stores.Store
) -> None:
    for key in ("other.tcbackup", "here/deeper/other.tcbackup", "here/readme", "here/.x.tcbackup"):
        server.client().put_object(Bucket="backups", Key=key, Body=b"x")

    assert cloud.names() == []


def test_one_that_does_not_verify_is_no_backup(
    server: ObjectStore, cloud: stores.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise errors.BackupDamaged("chunk 0 is changed")

    monkeypatch.setattr(backup, "verify", damaged)

    run = perform(CreateBackup, WISH)

    assert run.error.startswith("The backup is damaged")
    assert keys(server) == uploads(server) == []


def test_a_cancelled_one_leaves_nothing(server: ObjectStore, cloud: stores.Store) -> None:
    assert perform(CreateBackup, WISH, cancel_after=1).state == State.CANCELLED
    assert keys(server) == uploads(server) == []


def test_a_backup_of_this_name_is_not_replaced(server: ObjectStore, cloud: stores.Store) -> None:
    server.client().put_object(Bucket="backups", Key="here/one.tcbackup", Body=b"the first")

    with cloud.draft() as draft:
        with draft.write() as file:
            file.write(b"the second")
        with pytest.raises(FileExistsError):
            draft.keep("one", {})

    with cloud.open("one") as file:
        assert file.read() == b"the first"


def test_a_large_one_is_written_read_and_copied_in_parts(
    server: ObjectStore, cloud: stores.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("_PART", 5), ("_LATE_PART", 6), ("_COPY", 5)):
        monkeypatch.setattr(s3, name, size * MEBIBYTE)
    monkeypatch.setattr(s3, "_LATE", 1)
    monkeypatch.setattr(s3, "_BLOCK", MEBIBYTE)
    content = os.urandom(13 * MEBIBYTE + 7)

    with cloud.draft() as draft:
        with draft.write() as file:
            for start in range(0, len(content), 999_999):
                file.write(content[start : start + 999_999])
        with draft.read() as file:
            assert file.read(len(content) + 1) == content
        draft.keep("large", {})

    with cloud.open("large", held=True) as file:
        assert file.read(10) == content[:10]
        file.seek(0)
        assert file.read(len(content) + 1) == content
    assert cloud.notes("large") == {"size": len(content)}


def test_one_that_is_deleted_while_it_is_read_is_noticed(
    server: ObjectStore, cloud: stores.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_BLOCK", MEBIBYTE)
    for content in (b"a", b"b"):
        server.client().put_object(
            Bucket="backups", Key="here/one.tcbackup", Body=content * 2 * MEBIBYTE
        )
        with cloud.open("one") as file:
            file.read(MEBIBYTE)
            if content == b"a":
                cloud.delete("one")
            else:
                server.client().put_object(Bucket="backups", Key="here/one.tcbackup", Body=b"c")
            with pytest.raises(errors.BackupNotFound):
                file.read()


def test_what_a_dead_one_left_is_swept_and_what_others_do_is_left_alone(
    server: ObjectStore, cloud: stores.Store
) -> None:
    mine = Account.objects.get(is_system=True).pk.hex
    client = server.client()
    client.create_multipart_upload(Bucket="backups", Key=f"here/.work-{mine}-1")
    for owner in (mine, "f" * 32):
        client.put_object(Bucket="backups", Key=f"here/.work-{owner}-2", Body=b"half")
    assert cloud.names() == []

    name = perform(CreateBackup, WISH).result["name"]

    assert uploads(server) == []
    assert keys(server) == [
        "here/.work-" + "f" * 32 + "-2",
        f"here/{name}.json",
        f"here/{name}.tcbackup",
    ]


def test_the_cleaner_goes_on_where_a_store_is_away(
    installation: Path, root: Actor, server: ObjectStore, cloud: stores.Store
) -> None:
    BackupStore.objects.filter(name="cloud").update(
        settings={"bucket": "gone", "prefix": "", "endpoint_url": server.url}
    )

    run = perform(BackupRetentionCleaner, {})

    assert run.state == State.WARNED
    assert run.warnings == ["cloud: The backup store cannot be used: there is no bucket 'gone'."]


class TestRefusals:
    def test_a_bucket_that_is_not_there(self, root: Actor, server: ObjectStore) -> None:
        with pytest.raises(errors.StoreUnreachable, match="there is no bucket 'gone'"):
            register(root, server, bucket="gone")
        assert not BackupStore.objects.exists()

    def test_a_host_that_boto3_does_not_take(self, root: Actor, server: ObjectStore) -> None:
        with pytest.raises(errors.StoreUnreachable, match="takes no such endpoint_url"):
            register(root, server, endpoint_url="http://object_store:9000")
        assert not BackupStore.objects.exists()

    def test_credentials_that_are_wrong(self, root: Actor, server: ObjectStore) -> None:
        server.check_credentials()

        with pytest.raises(errors.StoreUnreachable) as refusal:
            register(root, server)

        assert "does not take these credentials (InvalidAccessKeyId)" in str(refusal.value)
        assert refusal.value.__suppress_context__
        assert SECRET not in str(refusal.value)

    def test_a_server_that_is_away_fails_the_run_for_now(
        self, root: Actor, server: ObjectStore, cloud: stores.Store
    ) -> None:
        # Nobody listens on the port that a server has just let go of.
        with object_store.running() as gone:
            pass
        BackupStore.objects.filter(name="cloud").update(
            settings={"bucket": "backups", "prefix": "", "endpoint_url": gone.url}
        )

        run = perform(CreateBackup, WISH)

        assert run.state == State.FAILED
        assert run.error == (
            "The backup store cannot be used: the server does not answer (EndpointConnectionError)."
        )

    def test_a_missing_package_is_said_with_where_it_is(
        self, cloud: stores.Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "botocore.exceptions", None)

        with pytest.raises(errors.StoreUnreachable, match=r"requirements/s3\.txt"):
            stores.get("cloud").names()


class TestCredentials:
    def test_the_secret_is_sealed_and_shown_nowhere(
        self, root: Actor, cloud: stores.Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("list_stores", "--json")

        assert SECRET not in capsys.readouterr().out
        assert SECRET not in str(all_rows())
        assert SECRET not in repr(stores.all_known()) + repr(cloud)

    def test_they_are_sealed_anew_with_the_data_keys(
        self, installation: Path, cloud: stores.Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = BackupStore.objects.get().credentials

        call_command("rotate_data_keys")

        assert capsys.readouterr().out == "Encrypted the secrets of 1 rows anew.\n"
        assert BackupStore.objects.get().credentials != before
        assert stores.get("cloud").names() == []

    def test_they_can_be_renewed(
        self,
        server: ObjectStore,
        cloud: stores.Store,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("TASKCENTER_STORE_SECRET", "another-secret")

        call_command("register_store", "cloud", "--renew", "--access-key-id", "AKIAANOTHER")

        assert BackupStore.objects.get().credentials["access_key_id"] == "AKIAANOTHER"
        assert "another-secret" not in str(all_rows())


#: Writes without end, in a process that is killed.
WRITE = """
import django, os, sys; django.setup()
from backgroundtasks.maintenance.stores.s3 import S3Store
store = S3Store(bucket="backups", prefix="here", endpoint_url=sys.argv[1], region="us-east-1",
    access_key_id="a", secret_access_key="b", owner=lambda: "me")
with store.draft() as draft, draft.write() as file:
    while True:
        file.write(os.urandom(1024 * 1024))
"""

#: Makes a large backup, in a process that does nothing else.
MEASURE = """
import django, os, sys; django.setup()
from backgroundtasks.maintenance.stores.s3 import S3Store
store = S3Store(bucket="backups", prefix="here", endpoint_url=sys.argv[1], region="us-east-1",
    access_key_id="a", secret_access_key="b", owner=lambda: "me")
with store.draft() as draft:
    with draft.write() as file:
        for _ in range(120):
            file.write(bytes(1024 * 1024))
    with draft.read() as file:
        while file.read(1024 * 1024): pass
    draft.keep("large", {})
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_what_is_killed_in_the_middle_leaves_nothing_that_looks_like_a_backup(
    server: ObjectStore, cloud: stores.Store
) -> None:
    connection.close()
    writing = subprocess.Popen([sys.executable, "-c", WRITE, server.url])
    wait_for(lambda: uploads(server), "an upload")
    writing.kill()
    writing.wait()
    assert cloud.names() == []

    # The next one of the same installation sweeps.
    store = s3.S3Store(
        bucket="backups",
        prefix="here",
        endpoint_url=server.url,
        access_key_id=KEY,
        secret_access_key=SECRET,
        owner=lambda: "me",
    )
    with store.draft():
        assert uploads(server) == []


def test_memory_does_not_grow_with_what_is_written(server: ObjectStore) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", MEASURE, server.url], capture_output=True, text=True, check=True
    )

    assert int(asked.stdout) < 200 * 1024
    assert keys(server) == ["here/large.json", "here/large.tcbackup"]
