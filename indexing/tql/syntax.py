"""The tree that a TQL text becomes. Every part knows where it stood, for errors found later."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the text of a query; both counts begin at 1, columns count characters."""

    line: int = 1
    column: int = 1


# The fields `at` below do not compare: where something stood does not make it another thing.


class Operator(StrEnum):
    """How a field is compared with one value."""

    CONTAINS = "~"
    LACKS = "!~"
    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Field:
    """The name of a field as written: `Name`, `RelatedToStatus`."""

    name: str
    at: Position = dataclasses.field(default=Position(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Value:
    """A bare or quoted value, without its quotes."""

    text: str
    at: Position = dataclasses.field(default=Position(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Function:
    """A call in the place of a value: `Packages('Root|Child')`."""

    name: str
    arguments: tuple[Value, ...]
    at: Position = dataclasses.field(default=Position(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`Status = Failed`."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Membership:
    """`Status IN (Failed, Passed)`, or `Id IN Packages('Root|Child')`."""

    field: Field
    values: tuple[Value, ...] | Function


@dataclass(frozen=True, slots=True)
class Related:
    """`Relationships IN { RelatedToEntityType = Incident }`."""

    field: Field
    condition: Condition


@dataclass(frozen=True, slots=True)
class Words:
    """A text without any operator: all its words, anywhere in what is indexed."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """`NOT …`."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """`… AND … AND …`: two or more, none of them a `Both`."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """`… OR … OR …`: two or more, none of them an `Alternative`."""

    conditions: tuple[Condition, ...]


Condition = Comparison | Membership | Related | Words | Negation | Both | Alternative


@dataclass(frozen=True, slots=True)
class Order:
    """`ORDER BY LastUpdatedAt DESC`."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """`COUNT AS "name"`: how many there are."""

    label: str | None = None


@dataclass(frozen=True, slots=True)
class GroupBy:
    """`GROUP BY Status { COUNT } AS "name"`: the aggregates again, for each value of a field."""

    field: Field
    aggregates: tuple[Aggregate, ...]
    label: str | None = None


Aggregate = Count | GroupBy


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. With aggregates it asks for numbers, without them for entities."""

    condition: Condition | None = None
    order: tuple[Order, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
