"""What an operation takes: fields that the HTML directory draws and the OpenAPI document lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Widget = Literal[
    "text", "number", "datetime", "password", "textarea", "select", "checkbox", "hidden"
]

FORMATS: Final = ("html", "json", "pjson")


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter."""

    #: As it is sent.
    name: str
    #: For people.
    label: str
    widget: Widget = "text"
    required: bool = False
    help: str = ""
    #: Value and text, of a select.
    choices: tuple[tuple[str, str], ...] = ()
    #: What the form shows at first.
    value: str = ""
    #: Our own: the vendor has no such parameter.
    extension: bool = False
    #: Fields that follow each other in one group are drawn together, below its name.
    group: str = ""
    #: What a browser may fill in, in HTML's words: `username`.
    autocomplete: str = ""

    def showing(self, value: object) -> Field:
        """Return the field with a value; None shows nothing."""
        return replace(self, value="" if value is None else str(value))


#: Whom one signs in as.
SIGN_IN: Final = (
    Field("username", "User name", required=True, autocomplete="username"),
    Field("password", "Password", "password", required=True, autocomplete="current-password"),
)
