"""
The numbers of an installation, with their defaults.

A project overrides them in `settings.TASKCENTER`, by the same names. Durations are
`timedelta`. System checks (`checks.py`) refuse combinations that would break a promise.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.conf import settings

DEFAULTS: Final[dict[str, Any]] = {
    #: Keys for secret parameters (Fernet), the one in use first; empty: derived from SECRET_KEY.
    "DATA_KEYS": (),
    #: Without DATA_KEYS: a file with a key a line, the one in use first, which `rotate_data_keys` changes.
    "DATA_KEYS_FILE": "",
    #: Worker processes of one `runworkers`.
    "WORKERS": 2,
    #: How often a worker renews its lease and says that it lives.
    "HEARTBEAT": timedelta(seconds=5),
    #: How long a run stays with a worker that does not renew.
    "LEASE": timedelta(seconds=30),
    #: From the request to cancel a running run until its worker is killed.
    "CANCEL_GRACE": timedelta(seconds=30),
    #: From a run's timeout until its worker is killed.
    "TIMEOUT_GRACE": timedelta(seconds=2),
    #: From SIGTERM until running work is killed.
    "STOP_GRACE": timedelta(seconds=25),
    #: How often the keeper looks for lost leases, due runs and overdue work.
    "KEEPER_INTERVAL": timedelta(seconds=1),
    #: Handlers' defaults.
    "TIMEOUT": timedelta(hours=1),
    "MAX_ATTEMPTS": 3,
    "BACKOFF": timedelta(seconds=5),
    "BACKOFF_LIMIT": timedelta(minutes=10),
    "RETENTION": timedelta(days=90),
    #: How long an idempotency key is remembered.
    "IDEMPOTENCY": timedelta(hours=24),
    #: Life of an access token when nobody asks for another.
    "TOKEN_LIFE": timedelta(minutes=60),
    #: Longest life of an access token that its caller chooses (ArcGIS' `expiration`).
    "TOKEN_LIFE_LIMIT": timedelta(days=14),
    #: How long a token or a good Basic login is believed without asking the database.
    "CREDENTIAL_CACHE": timedelta(seconds=5),
    #: Failed logins of one user and address within ten minutes before 429.
    "LOGIN_ATTEMPTS": 10,
    #: Most runs that one claim takes of short handlers.
    "BATCH": 50,
    #: How much work of short handlers a batch should hold.
    "BATCH_TIME": timedelta(milliseconds=100),
    #: How often progress reaches the database.
    "PROGRESS_INTERVAL": timedelta(milliseconds=200),
    #: How often the broker of an idle SQLite installation looks for new work.
    "SQLITE_POLL": timedelta(milliseconds=5),
    #: The safety net under PostgreSQL's notifications.
    "SLOW_POLL": timedelta(seconds=1),
    #: Open streams (StreamProgress, events) of one web process; one more is answered 503.
    "STREAMS": 64,
    #: Largest JSON body of a request, in bytes.
    "BODY_LIMIT": 1024 * 1024,
    #: The same of one that starts a task: its parameters may name 100,000 things.
    "TASK_BODY_LIMIT": 16 * 1024 * 1024,
    #: Largest upload, in bytes.
    "UPLOAD_LIMIT": 2 * 1024**3,
    #: Backup stores by name: a folder, or the settings of a bucket.
    "BACKUP_STORES": {},
    #: Folders below which operators may register stores; the first one is what paths are relative to.
    "BACKUP_ROOTS": (),
    #: Networks that registered S3 stores may be in, besides the public ones. Not this machine itself.
    "S3_NETWORKS": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    #: Names in STORAGES whose files backups hold.
    "BACKUP_FILES": ("uploads",),
    #: Threads that compress a backup, and as many that read it.
    "BACKUP_THREADS": 2,
    #: A folder for the marker that closes the installation, and for what a restore unpacks; empty: there is no maintenance mode.
    "MAINTENANCE_DIR": "",
    #: Task types that the installation schedules for itself, hourly, from its first start.
    "SYSTEM_TASKS": ("BackupRetentionCleaner", "CleanGPJobs"),
    #: Dialects that are switched on.
    "DIALECTS": ("enterprise_tester", "sailpoint", "astra", "arcgis"),
    #: SailPoint's `/beta` answers `SUCCESS` as the newer versions do, not `Success`.
    "SAILPOINT_BETA_UPPER_CASE": False,
    #: Requests of one user to one of its versions within ten seconds before 429; None: no limit.
    "SAILPOINT_RATE_LIMIT": None,
    #: Most tasks of one answer in Astra's dialect; `metadata.continue` leads to more.
    "ASTRA_PAGE": 1000,
    #: Whether that dialect refuses the parameters that its vendor documents for other lists only.
    "ASTRA_STRICT": False,
    #: First part of the paths of ArcGIS' dialect: `/arcgis/admin`, `/arcgis/sharing/rest`.
    "ARCGIS_CONTEXT": "arcgis",
}


def __getattr__(name: str) -> Any:
    """Return the setting: `conf.LEASE` is `settings.TASKCENTER["LEASE"]`, else the default."""
    try:
        default = DEFAULTS[name]
    except KeyError:
        raise AttributeError(name) from None
    return getattr(settings, "TASKCENTER", {}).get(name, default)
