"""What somebody wants to register as a store: checked before anything is tried."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from backgroundtasks import conf
from backgroundtasks.handlers import secrets, storable
from backgroundtasks.maintenance.errors import StoreInvalid
from backgroundtasks.maintenance.stores import endpoints
from backgroundtasks.models import StoreKind

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The settings of an S3 store that may be shown.
SHOWN: Final = ("bucket", "prefix", "endpoint_url", "region")

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_LONGEST: Final = 1000


def checked_settings(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the settings of a store as they are kept.

    Args:
        kind: `local` or `s3`.
        given: `{"path"}`, below a folder that BACKUP_ROOTS allows, relative to the first of
            them; or `{"bucket"}` with `prefix`, `endpoint_url`, `region`.

    Raises:
        StoreInvalid: names what is wrong.
    """
    allowed = {StoreKind.LOCAL.value: ("path",), StoreKind.S3.value: SHOWN}.get(kind)
    if allowed is None:
        raise StoreInvalid("kind", "Is local or s3.")
    for name, value in given.items():
        if name not in allowed:
            raise StoreInvalid(str(name)[:60], f"A store of the kind {kind} has no such setting.")
        if not isinstance(value, str) or len(value) > _LONGEST or storable.problem(value):
            raise StoreInvalid(name, f"Is a text of at most {_LONGEST} characters.")
    if kind == StoreKind.LOCAL:
        return {"path": str(allowed_folder(given.get("path", "")))}
    return _checked_s3({name: value for name, value in given.items() if value})


def checked_credentials(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return credentials as they are kept: the secret is sealed.

    Raises:
        StoreInvalid: names what is wrong, never a value.
    """
    given = {name: value for name, value in given.items() if value not in (None, "")}
    if not given:
        return {}
    if kind != StoreKind.S3:
        raise StoreInvalid("credentials", "A folder has none.")
    if set(given) != {"access_key_id", "secret_access_key"}:
        raise StoreInvalid("credentials", "Are access_key_id and secret_access_key, or none.")
    for value in given.values():
        if not isinstance(value, str) or len(value) > _LONGEST or storable.problem(value):
            raise StoreInvalid("credentials", f"Are texts of at most {_LONGEST} characters.")
    return {
        "access_key_id": given["access_key_id"],
        "secret_access_key": secrets.seal(secrets.SecretField(), given["secret_access_key"]),
    }


def allowed_folder(path: str) -> Path:
    """
    Return a folder below one that the settings allow, links followed.

    Raises:
        StoreInvalid: it is not; the text tells nothing of what lies elsewhere.
    """
    roots = [Path(root) for root in conf.BACKUP_ROOTS]
    if not roots:
        raise StoreInvalid("path", "The settings allow no folders (BACKUP_ROOTS).")
    if not path:
        raise StoreInvalid("path", "Is required.")
    try:
        folder = real(roots[0] / path)
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that is too long
        raise StoreInvalid("path", "Is no folder.") from None
    if not any(folder.is_relative_to(real(root)) for root in roots):
        raise StoreInvalid("path", "Leads out of the folders that the settings allow.")
    return folder


def real(path: str | Path) -> Path:
    """Return where a path leads, links followed."""
    return Path(path).resolve()


def _checked_s3(given: dict[str, str]) -> dict[str, str]:
    if not _BUCKET.fullmatch(given.get("bucket", "")):
        raise StoreInvalid("bucket", "Is the name of a bucket: 3 to 63 of a-z, 0-9, dots, dashes.")
    prefix = given["prefix"] = given.get("prefix", "").strip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or ".." in prefix or "//" in prefix):
        raise StoreInvalid("prefix", "Is letters, digits, dots, dashes and slashes.")
    if "region" in given and not _REGION.fullmatch(given["region"]):
        raise StoreInvalid("region", "Is the name of a region, such as eu-central-1.")
    if "endpoint_url" in given and not _is_plain_url(given["endpoint_url"]):
        raise StoreInvalid("endpoint_url", "Is an address: http or https, host and port.")
    if "endpoint_url" in given:
        try:
            endpoints.require(given["endpoint_url"])
        except endpoints.EndpointRefused as refusal:
            raise StoreInvalid("endpoint_url", str(refusal)) from None
    return given


def _is_plain_url(text: str) -> bool:
    """Return whether it is an address that holds no credentials, and nothing behind its path."""
    try:
        parts = urlsplit(text)
        known = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return known and plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
