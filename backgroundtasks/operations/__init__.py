"""The use cases: the only way that APIs, admin and commands write."""

from backgroundtasks.operations.backup_stores import (
    make_store_default,
    register_store,
    renew_store_credentials,
    unregister_store,
    validate_store,
)
from backgroundtasks.operations.backups import (
    Prepared,
    delete_backup,
    keep_backup_until,
    prepare_restore,
)
from backgroundtasks.operations.bootstrap import bootstrap
from backgroundtasks.operations.cancel import cancel
from backgroundtasks.operations.delete_run import delete_run
from backgroundtasks.operations.issue_token import (
    create_client,
    issue_token,
    revoke_access,
    revoke_client,
    revoke_token,
)
from backgroundtasks.operations.pause import pause, resume
from backgroundtasks.operations.queues import know_queues, pause_queue, resume_queue
from backgroundtasks.operations.remark import remark
from backgroundtasks.operations.reseal import reseal_secrets
from backgroundtasks.operations.retry import retry
from backgroundtasks.operations.schedules import (
    SCHEDULE,
    Timing,
    check_timing,
    create_schedule,
    delete_schedule,
    edit_schedule,
    pause_schedule,
    resume_schedule,
    run_schedule_now,
)
from backgroundtasks.operations.settle import Settlement, settle
from backgroundtasks.operations.submit import Idempotency, Submission, submit, submit_many
from backgroundtasks.operations.system_tasks import make_system_account, make_system_tasks

__all__ = [
    "SCHEDULE",
    "Idempotency",
    "Prepared",
    "Settlement",
    "Submission",
    "Timing",
    "bootstrap",
    "cancel",
    "check_timing",
    "create_client",
    "create_schedule",
    "delete_backup",
    "delete_run",
    "delete_schedule",
    "edit_schedule",
    "issue_token",
    "keep_backup_until",
    "know_queues",
    "make_store_default",
    "make_system_account",
    "make_system_tasks",
    "pause",
    "pause_queue",
    "pause_schedule",
    "prepare_restore",
    "register_store",
    "remark",
    "renew_store_credentials",
    "reseal_secrets",
    "resume",
    "resume_queue",
    "resume_schedule",
    "retry",
    "revoke_access",
    "revoke_client",
    "revoke_token",
    "run_schedule_now",
    "settle",
    "submit",
    "submit_many",
    "unregister_store",
    "validate_store",
]
