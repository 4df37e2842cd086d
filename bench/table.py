"""What a measure found, and the table of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Goal:
    """A bound, on the ratio of ours to the reference or on our own number."""

    sign: Literal[">=", "<="]
    bound: float
    of: Literal["ratio", "ours"] = "ratio"

    def met_by(self, value: float) -> bool:
        """Return whether a number keeps the bound."""
        return value >= self.bound if self.sign == ">=" else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.sign == '>=' else '≤'} {number(self.bound)}" + (
            " x" if self.of == "ratio" else ""
        )


@dataclass(frozen=True)
class Line:
    """One measure on one database, round by round."""

    measure: str
    database: str
    #: Of both numbers: `/s`, `ms`, `MB`.
    unit: str
    ours: Sequence[float]
    #: What it is compared with, in the same rounds; empty without a comparison.
    reference: Sequence[float] = ()
    against: str = ""
    goals: Sequence[Goal] = ()
    #: Given where the measure makes them itself.
    ratios: Sequence[float] = field(default=())

    @property
    def all_ratios(self) -> list[float]:
        """Ours by the reference's, of each round."""
        if self.ratios:
            return [*self.ratios]
        return [a / b for a, b in zip(self.ours, self.reference, strict=False) if b]

    @property
    def met(self) -> bool | None:
        """Whether the medians keep every goal; None where there is none."""
        if not self.goals:
            return None
        return all(
            goal.met_by(statistics.median(self.all_ratios if goal.of == "ratio" else self.ours))
            for goal in self.goals
        )

    def cells(self) -> list[str]:
        """Return the row of the table."""
        return [
            self.measure,
            self.database,
            middle(self.ours, self.unit),
            middle(self.reference, self.unit),
            self.against,
            spread(self.all_ratios),
            " and ".join(
                f"{goal}{f' {self.unit}' if goal.of == 'ours' else ''}" for goal in self.goals
            ),
            {True: "met", False: "MISSED", None: ""}[self.met],
        ]


HEAD = ["measure", "database", "ours", "reference", "(what it is)", "ratio", "goal", ""]


def number(value: float) -> str:
    """Return three significant digits, or whole thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def middle(values: Sequence[float], unit: str) -> str:
    """Return the median with its unit; empty without values."""
    return f"{number(statistics.median(values))} {unit}" if values else ""


def spread(ratios: Sequence[float]) -> str:
    """Return median and range."""
    if not ratios:
        return ""
    text = number(statistics.median(ratios))
    if len(ratios) == 1:
        return f"{text} (one round)"
    return f"{text} ({number(min(ratios))} to {number(max(ratios))})"


def drawn(lines: Iterable[Line]) -> str:
    """Return the table as text; its columns are as wide as what stands in them."""
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
