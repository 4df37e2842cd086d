"""What can be acted on in bulk, under the names that queries know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Subquery

from tickets import visibility
from tickets.incidents import picked
from tickets.models import (
    AgileRun,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    Incident,
    PickedAs,
    Project,
    ResultNode,
    Script,
    ScriptAssignment,
    ScriptRun,
    Stage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.db.models import Model, QuerySet


@dataclass(frozen=True, slots=True)
class Kind:
    """The entities of one model."""

    model: type[Model]
    #: As search shows them, then further names.
    names: tuple[str, ...]
    #: Leads to the project's id.
    project: str = "project_id"
    #: The account's id.
    account: str = "account_id"
    #: The foreign key to the package that it is in; empty where it is in none.
    package: str = ""
    copied: bool = False
    deleted: bool = True
    #: Columns of an export that its rows have, beside the two that all have.
    columns: tuple[tuple[str, str | Subquery], ...] = ()
    #: Of its rows only these are there for anybody.
    shown: tuple[tuple[str, Any], ...] = ()

    def visible(self, account_id: UUID) -> QuerySet[Any]:
        """Return those of an account that can be seen."""
        rows = self.model._default_manager.filter(  # noqa: SLF001 - Django's public name for it
            **{self.account: account_id}, **dict(self.shown)
        )
        hidden = visibility.hidden_projects()
        return rows.exclude(**{f"{self.project}__in": hidden})


_DATES: Final = (("CreatedAt", "created_at"), ("LastUpdatedAt", "updated_at"))
_NAME: Final = ("Name", "name")
_PROJECT: Final = ("Project", "project__name")
_PACKAGE: Final = ("Package", "package__name")
_DESCRIPTION: Final = ("Description", "description")

PACKAGE: Final = Kind(
    ExecutionPackage,
    ("ExecutionPackage", "TestExecutionPackage"),
    package="parent",
    copied=True,
    columns=(_NAME, _PROJECT, ("Package", "parent__name"), ("Type", "stereotype"), *_DATES),
)
TEST: Final = Kind(
    AutomatedTest,
    ("AutomatedTest",),
    package="package",
    copied=True,
    columns=(_NAME, _PROJECT, _PACKAGE, ("Type", "type"), *_DATES),
)
ASSIGNMENT: Final = Kind(
    AutomatedTestAssignment,
    ("AutomatedTestAssignment",),
    project="automated_test__project_id",
    package="package",
    copied=True,
    columns=(
        ("Name", "automated_test__name"),
        ("Project", "automated_test__project__name"),
        _PACKAGE,
        ("AssignedTo", "assigned_to__username"),
        *_DATES,
    ),
)
SCRIPT: Final = Kind(
    Script, ("TestScript", "Script"), copied=True, columns=(_NAME, _PROJECT, _DESCRIPTION, *_DATES)
)
SCRIPT_ASSIGNMENT: Final = Kind(
    ScriptAssignment,
    ("TestScriptAssignment", "ScriptAssignment"),
    project="script__project_id",
    package="package",
    copied=True,
    columns=(
        ("Name", "script__name"),
        ("Project", "script__project__name"),
        _PACKAGE,
        ("AssignedTo", "assigned_to__username"),
        *_DATES,
    ),
)
AGILE_RUN: Final = Kind(
    AgileRun,
    ("AgileRun",),
    package="package",
    copied=True,
    columns=(
        _NAME,
        _PROJECT,
        _PACKAGE,
        ("Status", "execution_status"),
        ("Type", "type__name"),
        ("Priority", "priority__name"),
        ("AssignedTo", "assigned_to__username"),
        _DESCRIPTION,
        *_DATES,
    ),
)

#: Columns that may have several values.
SEVERAL: Final = {
    "AffectedVersions": PickedAs.AFFECTED_VERSION,
    "FixedVersions": PickedAs.FIXED_VERSION,
    "Components": PickedAs.COMPONENT,
}

#: By their model.
KINDS: Final[Mapping[type[Model], Kind]] = {
    kind.model: kind
    for kind in (
        PACKAGE,
        TEST,
        ASSIGNMENT,
        SCRIPT,
        SCRIPT_ASSIGNMENT,
        AGILE_RUN,
        Kind(
            AutomatedTestRun,
            ("AutomatedTestRun",),
            project="assignment__automated_test__project_id",
            shown=(("stage", Stage.SHOWN),),
            columns=(
                ("Name", "assignment__automated_test__name"),
                ("Project", "assignment__automated_test__project__name"),
                ("Package", "assignment__package__name"),
                ("Status", "status"),
                ("CreatedAt", "started_at"),
                ("LastUpdatedAt", "imported_at"),
            ),
        ),
        Kind(
            ScriptRun,
            ("ScriptRun",),
            project="assignment__script__project_id",
            columns=(
                ("Name", "assignment__script__name"),
                ("Project", "assignment__script__project__name"),
                ("Package", "assignment__package__name"),
                ("Status", "status"),
                *_DATES,
            ),
        ),
        Kind(
            Incident,
            ("Incident",),
            columns=(
                ("Name", "summary"),
                _PROJECT,
                ("Status", "status__name"),
                ("Type", "type__name"),
                ("Priority", "priority__name"),
                ("AssignedTo", "assigned_to__username"),
                *((column, picked(picked_as)) for column, picked_as in SEVERAL.items()),
                _DESCRIPTION,
                *_DATES,
            ),
        ),
        Kind(
            ResultNode,
            ("ResultNode", "TestResult"),
            account="run__account_id",
            project="run__assignment__automated_test__project_id",
            deleted=False,
            shown=(("run__stage", Stage.SHOWN),),
            columns=(
                _NAME,
                ("Project", "run__assignment__automated_test__project__name"),
                ("Package", "run__assignment__package__name"),
                ("Status", "status"),
                ("Type", "class_name"),
                _DESCRIPTION,
                ("LastUpdatedAt", "run__imported_at"),
            ),
        ),
        Kind(
            Project,
            ("Project",),
            project="pk",
            deleted=False,
            columns=(_NAME, ("Project", "name"), _DESCRIPTION, *_DATES),
        ),
    )
}


_BY_NAME: Final = {name.lower(): kind for kind in KINDS.values() for name in kind.names}


def find(name: str) -> Kind | None:
    """Return the kind of this name, in any letter case."""
    return _BY_NAME.get(name.lower())


def name_of(kind: Kind) -> str:
    """Return the entity type as search shows it."""
    return kind.names[0]


def all_names() -> list[str]:
    """Return every entity type that there is."""
    return sorted(map(name_of, KINDS.values()))
