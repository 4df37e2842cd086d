"""The real reports of the specifications' folder, each with what it must count."""

import os
from pathlib import Path

import pytest

from backgroundtasks.handlers import TaskFailed
from tests.support.importing import imported
from tests.support.projects import AssignmentFactory
from tests.support.reports import zipped
from tests.support.uploads import file_store
from tickets.models import AutomatedTestRun, ResultNode
from tickets.results import upload
from tickets.results.exceptions import ReportRefused
from tickets.results.junit import JUnitReader
from tickets.results.node import Status
from tickets.results.totals import Totals

__all__ = ["file_store"]

FOLDER = Path(os.environ.get("SPECS_DIR", "../shared/specs")) / "junit"

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="SPECS_DIR names no folder with junit/"),
]

#: Counted with another XML library, by the rule of the totals.
EXPECTED = {
    "TEST-io.olamy.AlwaysFailTest.xml": Totals(failed=1, suites=1),
    "TEST-io.olamy.FlakyTest.xml": Totals(passed=1, warnings=1, suites=1),
    "TESTS-TestSuites.xml": Totals(passed=3, suites=2),
    "eclipse-plugin-test-report.xml": Totals(passed=3366, suites=16),
    "junit-report-1463.xml": Totals(passed=6, suites=1),
    "junit-report-1472.xml": Totals(failed=1, passed=2652, suites=108),
    "junit-report-20090516.xml": Totals(errors=3, passed=5, suites=1),
    "junit-report-bad-duration.xml": Totals(passed=2, suites=1, unread_durations=1),
    "junit-report-nested-testsuites.xml": Totals(passed=2, suites=4, suite_errors=1),
    "junit-report-testsuite-time-attrs.xml": Totals(passed=8, suites=4),
    "junit-report-with-properties.xml": Totals(failed=1, passed=1, suites=1),
    "skippedTestResult.xml": Totals(skipped=1, suites=1),
}
HOSTILE = "testXxe-xxe.xml"


def read(name: str) -> JUnitReader:
    reader = JUnitReader()
    with (FOLDER / name).open("rb") as file:
        for report in upload.reports(file, unpacked_limit=1_000_000_000):
            for _nodes in reader.read(report.chunks()):
                pass
    return reader


def test_every_report_of_the_folder_is_asked_for() -> None:
    assert {path.name for path in FOLDER.glob("*.xml")} == {*EXPECTED, HOSTILE}


@pytest.mark.parametrize("name", EXPECTED)
def test_counts_what_is_there(name: str) -> None:
    assert read(name).totals == EXPECTED[name]


def test_a_suites_own_error_is_a_problem_of_the_run() -> None:
    reader = read("junit-report-nested-testsuites.xml")

    [(suite, text)] = reader.problems
    assert suite == "test.3rdlevel"
    assert text.startswith("bla bla\njava.lang.IllegalStateException: bla bla")
    assert reader.totals.status == Status.FAILED


@pytest.mark.django_db
@pytest.mark.usefixtures("file_store")
@pytest.mark.parametrize("name", EXPECTED)
def test_is_imported_with_every_node(name: str) -> None:
    run = imported(AssignmentFactory.create(), (FOLDER / name).read_bytes())

    totals = EXPECTED[name]
    assert (run.errors, run.failed, run.skipped, run.passed, run.warnings) == (
        totals.errors,
        totals.failed,
        totals.skipped,
        totals.passed,
        totals.warnings,
    )
    assert run.total_results == run.nodes.filter(is_case=True).count() == totals.results
    assert run.total_nodes == run.nodes.count() == totals.nodes
    assert run.status == totals.status


@pytest.mark.django_db
@pytest.mark.usefixtures("file_store")
def test_all_of_them_are_imported_from_one_zip() -> None:
    entries = {name: (FOLDER / name).read_bytes() for name in EXPECTED}

    run = imported(AssignmentFactory.create(), zipped(entries))

    assert run.total_results == sum(totals.results for totals in EXPECTED.values())


@pytest.mark.django_db
@pytest.mark.usefixtures("file_store")
def test_the_hostile_one_leaves_nothing_behind() -> None:
    with pytest.raises(TaskFailed) as failure:
        imported(AssignmentFactory.create(), (FOLDER / HOSTILE).read_bytes())

    assert "its DOCTYPE declares entities" in str(failure.value)
    assert not AutomatedTestRun.objects.exists()
    assert not ResultNode.objects.exists()


def test_the_hostile_one_is_refused() -> None:
    with pytest.raises(ReportRefused) as refusal:
        read(HOSTILE)

    assert str(refusal.value) == (
        "Unable to parse results: its DOCTYPE declares entities or attributes of its own."
    )
