"""
Where backups lie. A store is the truth about its backups: no table lists them.

What anybody may know of a backup stands in its own header; when it may be removed stands in
notes beside it, for that may change. Which stores there are, the settings say, and rows of
`BackupStore`.
"""

from backgroundtasks.maintenance.stores.known import (
    Known,
    all_known,
    at,
    build,
    default_name,
    get,
    known,
)
from backgroundtasks.maintenance.stores.listing import Backup, describe, listed, try_out
from backgroundtasks.maintenance.stores.local import LocalStore
from backgroundtasks.maintenance.stores.protocol import Draft, Store, checked

__all__ = [
    "Backup",
    "Draft",
    "Known",
    "LocalStore",
    "Store",
    "all_known",
    "at",
    "build",
    "checked",
    "default_name",
    "describe",
    "get",
    "known",
    "listed",
    "try_out",
]
