"""
Backups in a bucket of an S3-compatible object store, by `boto3` (an optional package).

A backup is uploaded in parts to a key of its own, which no list shows, read back from there,
and only then copied to its name by the server. What a crash left is swept when the next backup
of this installation begins: one is made at a time.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import threading
import uuid
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache, lru_cache
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

from backgroundtasks import clock
from backgroundtasks.maintenance import errors
from backgroundtasks.maintenance.stores import endpoints
from backgroundtasks.maintenance.stores.protocol import NOTES, SUFFIX, Draft, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: What a backup's name cannot begin with.
_WORK: Final = ".work-"
#: Bytes of a part: at most 10,000 are allowed, so later ones are larger (398 GiB in all).
_PART: Final = 16 * 1024**2
_LATE_PART: Final = 64 * 1024**2
_LATE: Final = 5_000
#: What is read at once.
_BLOCK: Final = 8 * 1024**2
#: The header of a backup, as a rule.
_HEADER: Final = 4096
#: Above this a copy is made in parts: the protocol's limit is 5 GiB.
_COPY: Final = 1024**3
#: What another installation in this bucket left is certainly dead after this long.
_FOREIGN: Final = timedelta(days=2)
_TIMEOUTS: Final = {"connect_timeout": 5, "read_timeout": 60}


class S3Store:
    """A bucket, or what lies in it below a prefix."""

    def __init__(
        self,
        *,
        bucket: str,
        owner: Callable[[], str],
        prefix: str = "",
        endpoint_url: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        guarded: bool = False,
    ) -> None:
        """
        Describe the store; nobody is asked yet.

        Args:
            bucket: Its name; it is there already.
            owner: Says whose drafts are to be swept: this installation's.
            prefix: Of all keys, without slashes at its ends.
            endpoint_url: Of a server that is not Amazon's.
            region: Where the server asks for one.
            access_key_id: Without one, boto3 looks where it always does (environment, role).
            secret_access_key: The secret to it.
            guarded: Whether the endpoint is what an operator typed, and not the installation's
                own setting: `endpoints` says where it may be.
        """
        self._bucket = bucket
        self._owner = owner
        self._prefix = f"{prefix}/" if prefix else ""
        self._guarded = endpoint_url if guarded else None
        self._given = (self._guarded, endpoint_url, region, access_key_id, secret_access_key)

    def names(self) -> list[str]:
        """Return the names of all backups."""
        names = []
        with _told(self._bucket):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            )
            for page in pages:
                names += [found["Key"][len(self._prefix) :] for found in page.get("Contents", ())]
        return [
            name.removesuffix(SUFFIX)
            for name in names
            if name.endswith(SUFFIX) and not name.startswith(".")
        ]

    def open(self, name: str, *, held: bool = False) -> IO[bytes]:
        """Open a backup for reading, in ranges; nothing holds it, but a reader notices its end."""
        reader = _Reader(self, self._key(name, SUFFIX), name)
        return cast("IO[bytes]", io.BufferedReader(reader, _BLOCK if held else _HEADER))

    def size(self, name: str) -> int:
        """Return a backup's size in bytes."""
        return int(self._head(self._key(name, SUFFIX), name)["ContentLength"])

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Begin a backup."""
        owner = self._owner()
        self._sweep(f"{_WORK}{owner}-")
        draft = _S3Draft(self, f"{self._prefix}{_WORK}{owner}-{uuid.uuid4().hex}")
        try:
            yield draft
        finally:
            # What cannot be removed now is swept by the next one.
            with suppress(errors.StoreUnreachable):
                draft.discard()

    def delete(self, name: str) -> None:
        """Remove a backup, then its notes."""
        self._head(self._key(name, SUFFIX), name)
        for ending in (SUFFIX, NOTES):
            self._ask("delete_object", Key=self._key(name, ending))

    def notes(self, name: str) -> dict[str, Any]:
        """Return the notes on a backup."""
        try:
            answer = self._ask("get_object", name=name, Key=self._key(name, NOTES))
        except errors.BackupNotFound:
            self._head(self._key(name, SUFFIX), name)
            return {}
        with _told(self._bucket):
            text = answer["Body"].read()
        try:
            noted = json.loads(text)
        except ValueError:
            return {}
        return noted if isinstance(noted, dict) else {}

    def annotate(self, name: str, notes: Mapping[str, Any]) -> None:
        """Replace the notes on a backup."""
        self._head(self._key(name, SUFFIX), name)
        self.write_notes(name, notes)

    def try_out(self) -> None:
        """Write an object, read it back, and remove it."""
        if self._guarded is not None:
            # boto3 would try again and again.
            _look_up(self._guarded)
        key = f"{self._prefix}{_WORK}try-{uuid.uuid4().hex}"
        self._ask("put_object", Key=key, Body=b"x")
        self._ask("get_object", Key=key)["Body"].close()
        self._ask("delete_object", Key=key)

    def write_notes(self, name: str, notes: Mapping[str, Any]) -> None:
        """Write notes, all at once."""
        text = json.dumps(dict(notes)) + "\n"
        self._ask("put_object", Key=self._key(name, NOTES), Body=text.encode())

    def is_there(self, name: str) -> bool:
        """Return whether there is a backup of this name."""
        try:
            self.size(name)
        except errors.BackupNotFound:
            return False
        return True

    def read(self, key: str, name: str, start: int, size: int, etag: str) -> bytes:
        """Return a range of an object that has not changed meanwhile."""
        ranged = f"bytes={start}-{start + size - 1}"
        answer = self._ask("get_object", name=name, Key=key, Range=ranged, IfMatch=etag)
        with _told(self._bucket):
            return cast("bytes", answer["Body"].read())

    def head(self, key: str, name: str) -> dict[str, Any]:
        """Return what is known of an object."""
        return self._head(key, name)

    def copy(self, source: str, name: str, size: int) -> None:
        """Copy an object to a backup's name; it is there all at once."""
        key, origin = self._key(name, SUFFIX), {"Bucket": self._bucket, "Key": source}
        if size <= _COPY:
            self._ask("copy_object", Key=key, CopySource=origin)
            return
        upload = self._ask("create_multipart_upload", Key=key)["UploadId"]
        try:
            parts = []
            for number, start in enumerate(range(0, size, _COPY), start=1):
                answer = self._ask(
                    "upload_part_copy",
                    Key=key,
                    UploadId=upload,
                    PartNumber=number,
                    CopySource=origin,
                    CopySourceRange=f"bytes={start}-{min(start + _COPY, size) - 1}",
                )
                parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
            self.complete(key, upload, parts)
        except BaseException:
            with suppress(errors.StoreUnreachable):
                self.abort(key, upload)
            raise

    def begin(self, key: str) -> str:
        """Begin an upload in parts; return its id."""
        return str(self._ask("create_multipart_upload", Key=key)["UploadId"])

    def put_part(self, key: str, upload: str, number: int, content: bytes) -> dict[str, Any]:
        """Upload a part; return what completing asks for."""
        answer = self._ask("upload_part", Key=key, UploadId=upload, PartNumber=number, Body=content)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete(self, key: str, upload: str, parts: list[dict[str, Any]]) -> None:
        """Make an object of the parts, all at once."""
        self._ask(
            "complete_multipart_upload",
            Key=key,
            UploadId=upload,
            MultipartUpload={"Parts": parts},
        )

    def abort(self, key: str, upload: str) -> None:
        """Throw the parts away; fine when they are gone."""
        with suppress(errors.BackupNotFound):
            self._ask("abort_multipart_upload", name=key, Key=key, UploadId=upload)

    def remove(self, key: str) -> None:
        """Remove an object; fine when it is gone."""
        self._ask("delete_object", Key=key)

    def _sweep(self, mine: str) -> None:
        """Remove what backups left that died: this installation's at once, others' when old."""
        long_ago = clock.now() - _FOREIGN
        work = {"Bucket": self._bucket, "Prefix": f"{self._prefix}{_WORK}"}
        with _told(self._bucket):
            found = [
                (upload["Key"], upload["Initiated"], upload["UploadId"])
                for page in self._client.get_paginator("list_multipart_uploads").paginate(**work)
                for upload in page.get("Uploads", ())
            ]
            found += [
                (left["Key"], left["LastModified"], None)
                for page in self._client.get_paginator("list_objects_v2").paginate(**work)
                for left in page.get("Contents", ())
            ]
        for key, since, upload in found:
            if since > long_ago and not key.startswith(f"{self._prefix}{mine}"):
                continue
            if upload is None:
                self.remove(key)
            else:
                self.abort(key, upload)

    def _key(self, name: str, ending: str) -> str:
        return f"{self._prefix}{checked(name)}{ending}"

    def _head(self, key: str, name: str) -> dict[str, Any]:
        return self._ask("head_object", name=name, Key=key)

    def _ask(self, operation: str, *, name: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Ask the server; `name` is the backup that is missing where it knows none."""
        with _told(self._bucket, name):
            answer = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        return cast("dict[str, Any]", answer)

    @property
    def _client(self) -> Any:
        with _MAKING:
            return _client(os.getpid(), *self._given)


class _S3Draft:
    """An object of a key that no list shows."""

    #: The parts of an upload cannot be read before it is completed.
    can_follow = False

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._key = key
        self._upload: str | None = None
        self._size = 0

    @contextmanager
    def write(self) -> Iterator[IO[bytes]]:
        self._upload = self._store.begin(self._key)
        writer = _Writer(self._store, self._key, self._upload)
        yield cast("IO[bytes]", writer)
        writer.finish()
        self._size = writer.size
        self._upload = None

    @contextmanager
    def read(self) -> Iterator[IO[bytes]]:
        with io.BufferedReader(_Reader(self._store, self._key, "draft"), _BLOCK) as file:
            yield cast("IO[bytes]", file)

    def keep(self, name: str, notes: Mapping[str, Any]) -> None:
        if self._store.is_there(name):
            raise FileExistsError(name)
        self._store.write_notes(name, {**notes, "size": self._size})
        self._store.copy(self._key, name, self._size)

    def give_up(self) -> None:
        """Do nothing: nobody follows."""

    def discard(self) -> None:
        """Remove what was uploaded, or begun to be."""
        if self._upload is not None:
            self._store.abort(self._key, self._upload)
        self._store.remove(self._key)


class _Writer(io.RawIOBase):
    """Uploads what is written to it, a part whenever there is enough."""

    def __init__(self, store: S3Store, key: str, upload: str) -> None:
        super().__init__()
        self._store, self._key, self._upload = store, key, upload
        self._held = bytearray()
        self._parts: list[dict[str, Any]] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        self.size += len(data)
        while len(self._held) >= self._enough:
            self._send(self._enough)
        return len(data)

    def finish(self) -> None:
        """Upload the last part, and make an object of all."""
        if self._held or not self._parts:
            self._send(len(self._held))
        self._store.complete(self._key, self._upload, self._parts)

    @property
    def _enough(self) -> int:
        return _PART if len(self._parts) < _LATE else _LATE_PART

    def _send(self, size: int) -> None:
        with memoryview(self._held) as view:
            part = bytes(view[:size])
        del self._held[:size]
        number = len(self._parts) + 1
        self._parts.append(self._store.put_part(self._key, self._upload, number, part))


class _Reader(io.RawIOBase):
    """Reads an object in ranges, and notices when it is another one meanwhile."""

    def __init__(self, store: S3Store, key: str, name: str) -> None:
        super().__init__()
        self._store, self._key, self._name = store, key, name
        found = store.head(key, name)
        self._size, self._etag = int(found["ContentLength"]), str(found["ETag"])
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        size = min(len(view), _BLOCK, self._size - self._at)
        if size <= 0:
            return 0
        content = self._store.read(self._key, self._name, self._at, size, self._etag)
        view[: len(content)] = content
        self._at += len(content)
        return len(content)


_CREDENTIALS: Final = frozenset(
    {
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"),
        *("AuthFailure", "401"),
    }
)


@contextmanager
def _told(bucket: str, name: str | None = None) -> Iterator[None]:
    """Say in a line of ours what the server, or the way to it, refuses: no traceback, no secret."""
    boto = _package("botocore.exceptions")
    try:
        yield
    except boto.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "?"))
        if name is not None and code in {"NoSuchKey", "NoSuchUpload", "404", "PreconditionFailed"}:
            raise errors.BackupNotFound(name) from None
        raise errors.StoreUnreachable(_words(bucket, code)) from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError):
        raise errors.StoreUnreachable("no credentials were given, nor found") from None
    except (boto.EndpointConnectionError, boto.ConnectionError, boto.HTTPClientError) as error:
        cause = error.kwargs.get("error")
        if isinstance(cause, endpoints.EndpointRefused):
            raise errors.StoreUnreachable(str(cause)) from None
        raise errors.StoreUnreachable(
            f"the server does not answer ({type(error).__name__})"
        ) from None
    except boto.BotoCoreError as error:
        raise errors.StoreUnreachable(type(error).__name__) from None


#: A client may be used by several threads, but not be made by them.
_MAKING: Final = threading.Lock()


@lru_cache(maxsize=8)
def _client(
    _pid: int, guarded: str | None, endpoint: str | None, region: str | None, *keys: str | None
) -> Any:
    """Return a client, kept for this process: to make one takes 0.2 s."""
    config = _package("botocore.config").Config(
        **_TIMEOUTS,
        retries={"total_max_attempts": 4, "mode": "standard"},
        s3={"addressing_style": "path"} if endpoint else {},
        # Servers that are not Amazon's do not know the newer checksums; ours is inside.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    named = dict(zip(("aws_access_key_id", "aws_secret_access_key"), keys, strict=True))
    try:
        client = _session().client(
            "s3", config=config, endpoint_url=endpoint, region_name=region, **named
        )
    except ValueError:  # a host with an underscore, for one
        raise errors.StoreUnreachable(
            "boto3 takes no such endpoint_url; a host is letters, digits, dashes and dots"
        ) from None
    if guarded is not None:
        endpoints.guard(client, guarded)
    return client


def _look_up(url: str) -> None:
    """Refuse a server whose addresses are none that we connect to."""
    parts = urlsplit(url)
    if getproxies().get(parts.scheme):
        return  # it decides
    try:
        endpoints.resolved(parts.hostname or "", parts.port or 0)
    except endpoints.EndpointRefused as refusal:
        raise errors.StoreUnreachable(str(refusal)) from None
    except (OSError, UnicodeError):
        raise errors.StoreUnreachable("the server's name is not known") from None


@cache
def _session() -> Any:
    return _package("boto3.session").Session()


def _package(name: str) -> Any:
    """Return a module of the optional package."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise errors.StoreUnreachable(
            "stores of the kind s3 need the package boto3: requirements/s3.txt pins it"
        ) from None


def _words(bucket: str, code: str) -> str:
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket!r}"
    if code in _CREDENTIALS:
        return f"the server does not take these credentials ({code})"
    if code in {"AccessDenied", "403", "Forbidden"}:
        return f"these credentials may not do this in the bucket {bucket!r} ({code})"
    return f"the server refuses ({code})"
