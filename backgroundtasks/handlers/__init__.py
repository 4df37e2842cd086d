"""
The kit for task types of your own: all that an app needs.

    from backgroundtasks.handlers import Outcome, TaskContext, TaskFailed, TaskHandler, permissions

See `docs/howto/write_a_handler.md`.
"""

from backgroundtasks.handlers import permissions, registry
from backgroundtasks.handlers.actor import Actor
from backgroundtasks.handlers.children import Child
from backgroundtasks.handlers.context import Interrupted, TaskContext
from backgroundtasks.handlers.handler import TaskHandler
from backgroundtasks.handlers.outcome import Outcome, TaskFailed
from backgroundtasks.handlers.resource import Resource
from backgroundtasks.handlers.secrets import SecretField

__all__ = [
    "Actor",
    "Child",
    "Interrupted",
    "Outcome",
    "Resource",
    "SecretField",
    "TaskContext",
    "TaskFailed",
    "TaskHandler",
    "permissions",
    "registry",
]
