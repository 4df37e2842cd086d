"""What sample projects say: names, steps, results. Knows no database."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tickets.results.node import Node, Status
from tickets.results.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

AREAS: Final = (
    "Checkout", "Basket", "Search", "Accounts", "Payment", "Shipping", "Returns", "Catalogue",
    "Invoices", "Newsletter", "Reports", "Vouchers", "Stock", "Prices", "Reviews", "Login",
)  # fmt: skip
#: The components of every sample project are its first areas.
COMPONENTS: Final = AREAS[:6]
VERSIONS: Final = ("1.0", "1.1", "2.0", "2.1")
#: Of so many incidents one says in which version it was mended.
MENDED: Final = 3
SUBJECTS: Final = (
    "refund", "voucher", "address", "order", "parcel", "invoice", "card", "price", "discount",
    "stock level", "password", "reminder", "tax", "gift", "delivery date", "wish list", "currency",
    "customer", "return label", "receipt",
)  # fmt: skip
CLAIMS: Final = (
    "is rounded to cents", "is refused when expired", "survives a reload", "is shown once",
    "is sent by mail", "keeps its order", "is found by its number", "may be empty",
    "is counted once", "needs a confirmation", "is hidden from guests", "is written to the log",
    "takes umlauts", "is undone by a cancellation", "works on a phone", "is sorted by date",
)  # fmt: skip
ACTIONS: Final = (
    "Open the {area} page", "Enter the {subject}", "Press Save", "Reload the page",
    "Sign in as a guest", "Change the {subject}", "Cancel", "Look at the {area} list",
)  # fmt: skip
EXPECTATIONS: Final = (
    "The {subject} is shown", "A confirmation appears", "Nothing is lost", "The list has one more line",
    "A message says why not", "The total is right",
)  # fmt: skip
#: Test cases of one suite of a report.
SUITE: Final = 25
_FRAMES: Final = ("services", "views", "models", "totals", "mail")


def rng(seed: int, *place: object) -> random.Random:
    """Return the chances of a place."""
    return random.Random(f"{seed}/{'/'.join(map(str, place))}")  # noqa: S311 - no secret


def package_name(number: int) -> str:
    """Return the name of a package: `Checkout`, from the seventeenth on `Checkout 2`."""
    again, area = divmod(number, len(AREAS))
    return f"{AREAS[area]} {again + 1}" if again else AREAS[area]


def title(seed: int, kind: str, number: int) -> str:
    """Return the name of a test, a script or an agile run; no two of a kind are the same."""
    chance = rng(seed, kind, number)
    subject = chance.choice(SUBJECTS)
    return f"{chance.choice(AREAS)}: {subject} {chance.choice(CLAIMS)} ({number + 1})"


def steps_of(number: int) -> int:
    """Return how many steps the script or agile run of this number has: 3 to 8."""
    return 3 + number % 6


def steps(seed: int, kind: str, number: int) -> list[tuple[str, str]]:
    """Return the steps of a script or an agile run: what to do, and what should come of it."""
    chance = rng(seed, kind, number, "steps")
    words = {"area": chance.choice(AREAS).lower(), "subject": chance.choice(SUBJECTS)}
    return [
        (chance.choice(ACTIONS).format(**words), chance.choice(EXPECTATIONS).format(**words))
        for _ in range(steps_of(number))
    ]


def outcomes(seed: int, kind: str, number: int) -> list[str]:
    """Return what came of these steps: most passed; behind a failure nothing was run."""
    chance = rng(seed, kind, number, "outcomes")
    found: list[str] = []
    for _ in range(steps_of(number)):
        stopped = bool(found) and found[-1] != "Passed"
        found.append(
            "NotRun" if stopped else chance.choices(("Passed", "Failed", "Blocked"), (95, 4, 1))[0]
        )
    return found


def nodes_of(cases: int) -> int:
    """Return how many nodes a report of so many test cases has, with its suites."""
    return cases + -(-cases // SUITE)


@lru_cache(maxsize=4)
def _cases(seed: int, test: int, cases: int) -> list[tuple[str, str]]:
    """Return name and class of the test cases of a test; they are the same in each of its runs."""
    chance = rng(seed, "cases", test)
    area = chance.choice(AREAS)
    named = []
    for number in range(cases):
        subject = chance.choice(SUBJECTS)
        claim = chance.choice(CLAIMS)
        name = f"{subject} {claim} {number + 1}".replace(" ", "_")
        named.append((name, f"shop.{area.lower()}.{subject.title().replace(' ', '')}Test"))
    return named


def results(
    seed: int, test: int, nth: int, cases: int, began: datetime
) -> Iterator[tuple[Node, Totals]]:
    """
    Yield the nodes of a run as a report has them, suites behind their cases.

    Args:
        seed: Of the project.
        test: Number of the automated test.
        nth: Number of the run among those of the test.
        cases: Test cases of each run.
        began: When the run began.

    Yields:
        A node, and the totals up to it.
    """
    chance = rng(seed, "run", test, nth)
    draw = chance.random
    # Most builds are good; now and then something breaks much.
    failing = 0.3 if draw() < 0.03 else 0.012  # noqa: PLR2004 - a share of all builds
    totals = Totals()
    seconds = 0.0
    named = _cases(seed, test, cases)
    for first in range(0, cases, SUITE):
        suite = first + first // SUITE
        worst, suite_seconds, suite_began = Status.SKIPPED, 0.0, began + timedelta(seconds=seconds)
        for number, case in enumerate(named[first : first + SUITE], suite + 1):
            node = _case(chance, number, suite, case, failing)
            _count(totals, node)
            worst = max(worst, node.status, key=_SEVERITY.__getitem__)
            suite_seconds += node.seconds or 0.0
            yield node, totals
        seconds += suite_seconds
        totals.suites += 1
        yield (
            Node(
                position=suite,
                parent=None,
                is_case=False,
                name=f"{AREAS[(test + first) % len(AREAS)]} suite {first // SUITE + 1}",
                class_name="",
                status=worst,
                is_flaky=False,
                seconds=round(suite_seconds, 3),
                started_at=suite_began,
                finished_at=began + timedelta(seconds=seconds),
                description=None,
                metadata=None,
                parameters={"browser": ("firefox", "chromium")[nth % 2]},
                has_children=True,
            ),
            totals,
        )


_SEVERITY: Final = {Status.SKIPPED: 0, Status.PASSED: 1, Status.FAILED: 2, Status.ERROR: 3}


def _case(
    chance: random.Random,
    position: int,
    suite: int,
    named: tuple[str, str],
    failing: float,
) -> Node:
    drawn = chance.random()
    status, flaky, description = Status.PASSED, False, None
    if drawn < failing:
        status = Status.ERROR if drawn < failing / 5 else Status.FAILED
        description = _trace(chance, status)
    elif drawn > 0.97:  # noqa: PLR2004 - a share of all cases
        status, description = Status.SKIPPED, "not on this platform"
    elif drawn > 0.967:  # noqa: PLR2004 - likewise
        flaky, description = True, "timed out once, then passed"
    return Node(
        position=position,
        parent=suite,
        is_case=True,
        name=named[0],
        class_name=named[1],
        status=status,
        is_flaky=flaky,
        seconds=round(0.002 + drawn * drawn / 2, 3),
        started_at=None,
        finished_at=None,
        description=description,
        metadata=None,
        parameters=None,
        has_children=False,
    )


def _trace(chance: random.Random, status: Status) -> str:
    expected, line = chance.randrange(1, 500), chance.randrange(10, 900)
    frame = chance.choice(_FRAMES)
    if status is Status.ERROR:
        return f"ConnectionError: no answer within {expected} ms\n  at {frame}.py:{line}"
    got = expected + chance.randrange(1, 9)
    return f"AssertionError: expected {expected}, got {got}\n  at {frame}.py:{line}"


def _count(totals: Totals, node: Node) -> None:
    if node.status is Status.PASSED:
        totals.passed += 1
        totals.warnings += node.is_flaky
    elif node.status is Status.FAILED:
        totals.failed += 1
    elif node.status is Status.ERROR:
        totals.errors += 1
    else:
        totals.skipped += 1
