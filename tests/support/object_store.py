"""An S3-compatible server in a process of its own: moto's, on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.support.waiting import wait_for

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "a-well-kept-secret-key"


class ObjectStore:
    """The server, and what a test does behind the product's back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client: Any = None

    def client(self) -> Any:
        import boto3

        self._client = self._client or boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        return self._client

    def reset(self) -> None:
        """Forget everything, and take any credentials again."""
        self._post("reset-auth", b"inf")
        self._post("reset", b"")

    def check_credentials(self) -> None:
        """Take only credentials of users that there are: none."""
        self._post("reset-auth", b"0")

    def _post(self, what: str, body: bytes) -> None:
        url, plain = f"{self.url}/moto-api/{what}", {"Content-Type": "text/plain"}
        with urlopen(Request(url, data=body, headers=plain, method="POST")):
            pass


@contextmanager
def running() -> Iterator[ObjectStore]:
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=log,
            stderr=log,
            env={**os.environ, "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"},
        )
        try:
            pattern = r"Running on (http://127\.0\.0\.1:\d+)"
            said = wait_for(lambda: re.search(pattern, Path(log.name).read_text()), "moto's server")
            yield ObjectStore(said[1])
        finally:
            process.kill()
            process.wait()
