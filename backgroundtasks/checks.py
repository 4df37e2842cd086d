"""Start-up checks: a wrong installation is refused with an id and a hint."""

from __future__ import annotations

import re
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import connections

from backgroundtasks import conf


@register(Tags.compatibility)
def numbers_agree(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse numbers that would make a promise of the engine impossible."""
    found: list[CheckMessage] = []
    if conf.LEASE < 3 * conf.HEARTBEAT:
        found.append(
            Error(
                f"LEASE ({conf.LEASE}) is shorter than three times HEARTBEAT ({conf.HEARTBEAT}).",
                hint="A worker that misses one beat would lose its runs: raise LEASE.",
                id="backgroundtasks.E001",
            )
        )
    if conf.BATCH < 1:
        found.append(Error("BATCH must be at least 1.", id="backgroundtasks.E002"))
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", conf.ARCGIS_CONTEXT):
        found.append(
            Error(
                f"ARCGIS_CONTEXT ({conf.ARCGIS_CONTEXT!r}) is not one part of a path.",
                hint="It is a word of letters, digits, - and _, such as arcgis.",
                id="backgroundtasks.E006",
            )
        )
    return found


@register(Tags.database)
def database_fits(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse database options under which runs would be lost or doubled."""
    found: list[CheckMessage] = []
    connection = connections["default"]
    options = connection.settings_dict.get("OPTIONS", {})
    if connection.vendor == "sqlite" and options.get("transaction_mode") != "IMMEDIATE":
        found.append(
            Error(
                "SQLite must run with transaction_mode IMMEDIATE.",
                hint='Set DATABASES["default"]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
                id="backgroundtasks.E003",
            )
        )
    if connection.vendor == "postgresql" and options.get("pool"):
        found.append(
            Error(
                "psycopg's connection pool does not survive the fork of the workers.",
                hint='Remove "pool" from DATABASES["default"]["OPTIONS"].',
                id="backgroundtasks.E004",
            )
        )
    if connection.settings_dict.get("CONN_MAX_AGE") == 0:
        found.append(
            CheckWarning(
                "CONN_MAX_AGE is 0: every request and every wake-up connects anew.",
                hint='Set DATABASES["default"]["CONN_MAX_AGE"] = None.',
                id="backgroundtasks.W001",
            )
        )
    if connection.vendor not in {"sqlite", "postgresql"}:
        found.append(
            Error(
                f"The database {connection.vendor} is not supported.",
                hint="Use PostgreSQL or SQLite.",
                id="backgroundtasks.E005",
            )
        )
    return found
