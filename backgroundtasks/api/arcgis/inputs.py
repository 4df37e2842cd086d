"""Forms of the HTML directory: the fields of an operation as HTML has them, with their problems."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from django.utils.html import format_html_join

from backgroundtasks.api.arcgis.forms import FORMATS
from backgroundtasks.api.arcgis.properties import LAST_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.utils.safestring import SafeString

    from backgroundtasks.api.arcgis.errors import Refusal
    from backgroundtasks.api.arcgis.forms import Field

_TYPES: Final = {"datetime": "datetime-local"}
_FEWEST_ROWS, _MOST_ROWS = 3, 16
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}")
#: A date-time with milliseconds.
_FRACTION: Final = re.compile(r"\.\d+$")


@dataclass(frozen=True, slots=True)
class Input:
    """A field as it is drawn."""

    field: Field
    #: What is wrong with what was sent for it.
    error: str = ""

    @property
    def id(self) -> str:
        """The `id` of the element; labels and problems point to it."""
        return f"field-{self.field.name}"

    @property
    def value(self) -> str:
        """What it shows; a time in milliseconds is one that the widget can hold."""
        text = self.field.value
        if self.field.widget != "datetime" or not _MILLISECONDS.fullmatch(text):
            return text
        at = datetime.fromtimestamp(min(int(text), LAST_TIME) / 1000, UTC)
        precision = "milliseconds" if at.microsecond else "seconds"
        return at.replace(tzinfo=None).isoformat(timespec=precision)

    @property
    def type(self) -> str:
        """The `type` of the `input`."""
        return _TYPES.get(self.field.widget, self.field.widget)

    @property
    def rows(self) -> int:
        """The height of a text of several lines."""
        return min(max(self.field.value.count("\n") + 2, _FEWEST_ROWS), _MOST_ROWS)

    @property
    def attributes(self) -> SafeString:
        """Further attributes, each with a blank before it."""
        found = {}
        described = [(self.error, "problem"), (self.field.help, "help")]
        if ids := " ".join(f"{self.id}-{part}" for text, part in described if text):
            found["aria-describedby"] = ids
        if self.error:
            found["aria-invalid"] = "true"
        if self.field.widget == "password":
            found["autocomplete"] = self.field.autocomplete or "new-password"
        elif self.field.autocomplete:
            found["autocomplete"] = self.field.autocomplete
        elif self.field.widget == "text":
            found |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        elif self.field.widget == "datetime":
            # Without it a browser leaves seconds out, and refuses what has some.
            found["step"] = "0.001" if _FRACTION.search(self.value) else "1"
        return format_html_join("", ' {}="{}"', found.items())


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that are drawn together; without a name they just follow each other."""

    name: str
    inputs: Sequence[Input]


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent, and where to."""

    action: str
    #: On the button.
    submit: str
    groups: Sequence[Group]
    destructive: bool = False
    #: The answer may be had as JSON.
    has_formats: bool = True
    #: Where one goes who thinks better of it.
    back: str = ""

    @property
    def fields(self) -> list[Field]:
        """Everything that is asked for."""
        return [one.field for group in self.groups for one in group.inputs]

    @property
    def formats(self) -> list[tuple[str, str]]:
        """Values and texts of the choice of a format."""
        return [(name, name.upper()) for name in FORMATS]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong, and the `id` of the field that it is about; empty: of none."""

    text: str
    field: str = ""


def grouped(fields: Iterable[Field], error: Refusal | None = None) -> list[Group]:
    """Return fields as they are drawn, each with what a refusal says of it."""
    details = error.details if error else []
    inputs = [
        Input(field, next((text for text in details if _is_about(text, field)), ""))
        for field in fields
    ]
    return [Group(name, [*found]) for name, found in groupby(inputs, lambda one: one.field.group)]


def complaints(fields: Iterable[Field], error: Refusal | None) -> list[Complaint]:
    """Return the details of a refusal, with the fields that they name."""
    shown = [field for field in fields if field.widget != "hidden"]
    return [
        Complaint(text, next((Input(one).id for one in shown if _is_about(text, one)), ""))
        for text in (error.details if error else [])
    ]


def _is_about(text: str, field: Field) -> bool:
    """Return whether a sentence begins with the field's name, or with a list that holds it."""
    return re.match(rf"(?:\w+, )*{re.escape(field.name)}\b", text) is not None
