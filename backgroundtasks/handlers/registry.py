"""Every task type of the installation, by name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

from backgroundtasks import exceptions

if TYPE_CHECKING:
    from backgroundtasks.handlers.handler import TaskHandler

_handlers: dict[str, type[TaskHandler]] = {}


def register(handler: type[TaskHandler]) -> None:
    """Add a task type; called by the class itself. A name that is taken is refused."""
    name = handler.task_type.lower()
    known = _handlers.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (
        handler.__module__,
        handler.__qualname__,
    ):
        raise ImproperlyConfigured(
            f"The task type {handler.task_type} is declared by {known.__module__} "
            f"and by {handler.__module__}."
        )
    _handlers[name] = handler


def find(task_type: str) -> type[TaskHandler] | None:
    """Return the handler of a task type in any letter case, or None."""
    return _handlers.get(task_type) or _handlers.get(task_type.lower())


def get(task_type: str) -> type[TaskHandler]:
    """
    Return the handler of a task type in any letter case.

    Raises:
        TaskTypeUnknown: there is none.
    """
    handler = find(task_type)
    if handler is None:
        raise exceptions.TaskTypeUnknown(task_type)
    return handler


def all_handlers() -> list[type[TaskHandler]]:
    """Return all handlers, by name."""
    return [_handlers[name] for name in sorted(_handlers)]


def discover() -> None:
    """Import `handlers` and everything in it, of every installed app; the core's own lie deeper."""
    for app in apps.get_app_configs():
        if app.name == "backgroundtasks":
            _import_all("backgroundtasks.maintenance.handlers")
        elif app.module is not None and module_has_submodule(app.module, "handlers"):
            _import_all(f"{app.name}.handlers")


def _import_all(name: str) -> None:
    """Import a module and, when it is a package, every module in it."""
    module = importlib.import_module(name)
    for inner in pkgutil.iter_modules(getattr(module, "__path__", [])):
        importlib.import_module(f"{name}.{inner.name}")
