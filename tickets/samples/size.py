"""How large a sample project is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tickets.models import Picklist
from tickets.picklists import DEFAULTS
from tickets.samples import texts


@dataclass(frozen=True)
class Size:
    """How many of everything; each script has one assignment and one run."""

    packages: int
    automated_tests: int
    runs_per_test: int
    results_per_run: int
    scripts: int
    agile_runs: int
    incidents: int

    @property
    def runs(self) -> int:
        """Return the number of runs of automated tests."""
        return self.automated_tests * self.runs_per_test

    @cached_property
    def entities(self) -> int:
        """Return the number of rows, but for the links of incidents, which are as it happens."""
        words = sum(map(len, words_of_a_project().values()))
        # Each incident has picked a version and a component, and some a second version.
        picks = 2 * self.incidents + -(-self.incidents // texts.MENDED)
        return (
            1
            + words
            + self.packages
            + 2 * self.automated_tests
            + self.runs * (1 + texts.nodes_of(self.results_per_run))
            + 3 * self.scripts
            + _steps(self.scripts)
            + self.agile_runs
            + _steps(self.agile_runs)
            + self.incidents
            + picks
        )


def words_of_a_project() -> dict[Picklist, tuple[str, ...]]:
    """Return the words of a sample project: what every project begins with, and more."""
    return {
        **DEFAULTS,
        Picklist.VERSION: texts.VERSIONS,
        Picklist.COMPONENT: texts.COMPONENTS,
    }


def _steps(many: int) -> int:
    return sum(map(texts.steps_of, range(many)))
