import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support.reports import report
from tickets.results.exceptions import ReportMalformed, ReportRefused
from tickets.results.junit import DEEPEST, LONGEST_TAG, JUnitReader
from tickets.results.node import Node, Status
from tickets.results.text import NODE_LIMIT
from tickets.results.totals import Totals


def read(text: str | bytes, *, piece: int = 65_536) -> tuple[JUnitReader, list[Node]]:
    content = text.encode() if isinstance(text, str) else text
    pieces = (content[at : at + piece] for at in range(0, len(content), piece))
    reader = JUnitReader()
    nodes = [node for some in reader.read(pieces) for node in some]
    return reader, sorted(nodes)


def suite(*cases: str) -> str:
    return f'<testsuite name="S">{"".join(cases)}</testsuite>'


def case_with(body: str) -> str:
    return suite(f'<testcase name="c" classname="k">{body}</testcase>')


class TestTotals:
    @pytest.mark.parametrize(
        "body, counted",
        [
            ("", Totals(passed=1, suites=1)),
            ("<failure/>", Totals(failed=1, suites=1)),
            ("<error/>", Totals(errors=1, suites=1)),
            ("<skipped/>", Totals(skipped=1, suites=1)),
            ("<failure/><error/>", Totals(errors=1, suites=1)),
            ("<skipped/><failure/>", Totals(failed=1, suites=1)),
            ("<failure/><failure/>", Totals(failed=1, suites=1)),
            ("<flakyFailure/>", Totals(passed=1, warnings=1, suites=1)),
            ("<flakyError/><flakyFailure/>", Totals(passed=1, warnings=1, suites=1)),
            ("<failure/><rerunFailure/><rerunError/>", Totals(failed=1, suites=1)),
            ("<error/><flakyFailure/>", Totals(errors=1, suites=1)),
        ],
    )
    def test_counts_each_case_once(self, body: str, counted: Totals) -> None:
        totals = read(case_with(body))[0].totals

        assert totals == counted
        assert (totals.results, totals.nodes) == (1, 2)

    @pytest.mark.parametrize("status", ["notrun", "disabled", "Skipped"])
    def test_takes_a_case_that_was_not_run_as_skipped(self, status: str) -> None:
        totals = read(suite(f'<testcase name="c" status="{status}"/>'))[0].totals

        assert (totals.skipped, totals.passed) == (1, 0)

    def test_goes_on_over_several_reports(self) -> None:
        reader = JUnitReader()

        first = [node for some in reader.read([case_with("").encode()]) for node in some]
        second = [node for some in reader.read([case_with("").encode()]) for node in some]

        assert reader.totals.results == 2
        assert reader.totals.nodes == 4
        assert sorted(node.position for node in first + second) == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        "text, status",
        [
            ("<testsuites/>", Status.NOT_RUN),
            (case_with("<skipped/>"), Status.SKIPPED),
            (suite("<testcase><skipped/></testcase>", "<testcase/>"), Status.PASSED),
            (suite("<testcase/>", "<testcase><failure/></testcase>"), Status.FAILED),
            (case_with("<error/>"), Status.FAILED),
            (suite("<testcase/>", "<error/>"), Status.FAILED),
        ],
    )
    def test_tells_how_the_whole_ended(self, text: str, status: Status) -> None:
        assert read(text)[0].totals.status == status


class TestTree:
    def test_nests_suites_and_cases(self) -> None:
        nodes = read(
            '<testsuites><testsuite name="a"><testsuite name="b"><testcase name="c"/></testsuite>'
            '<testcase name="d"/></testsuite><testsuite name="e"/></testsuites>'
        )[1]

        assert [(node.name, node.parent, node.is_case, node.has_children) for node in nodes] == [
            ("a", None, False, True),
            ("b", 0, False, True),
            ("c", 1, True, False),
            ("d", 0, True, False),
            ("e", None, False, False),
        ]

    def test_takes_cases_without_a_suite(self) -> None:
        nodes = read('<testsuites><testcase name="c"/></testsuites>')[1]

        assert [(node.name, node.parent) for node in nodes] == [("c", None)]

    def test_gives_a_suite_the_worst_status_below_it(self) -> None:
        nodes = read(
            '<testsuite name="a"><testsuite name="b"><testcase name="c"><failure/></testcase>'
            '<testcase name="d"/></testsuite><testcase name="e"><skipped/></testcase></testsuite>'
        )[1]

        assert [(node.name, node.status) for node in nodes] == [
            ("a", "Failed"),
            ("b", "Failed"),
            ("c", "Failed"),
            ("d", "Passed"),
            ("e", "Skipped"),
        ]

    def test_keeps_a_suites_own_error_as_a_problem_not_as_a_case(self) -> None:
        reader, nodes = read(
            '<testsuites><testsuite name="a"><testcase/><error message="no database">trace</error>'
            "</testsuite></testsuites>"
        )

        assert reader.problems == [("a", "no database\ntrace")]
        assert reader.totals.suite_errors == 1
        assert (reader.totals.errors, reader.totals.passed) == (0, 1)
        assert nodes[0].status == "Error"

    def test_keeps_an_error_of_the_whole_report_as_a_problem(self) -> None:
        reader, _ = read('<testsuites><error message="crash"/></testsuites>')

        assert reader.problems == [("", "crash")]

    def test_looks_through_elements_it_does_not_know(self) -> None:
        nodes = read('<testsuite name="a"><group><testcase name="c"/></group></testsuite>')[1]

        assert [(node.name, node.parent) for node in nodes] == [("a", None), ("c", 0)]

    def test_looks_through_a_namespace_prefix(self) -> None:
        nodes = read('<j:testsuite xmlns:j="urn:j" name="a"><j:testcase name="c"/></j:testsuite>')[
            1
        ]

        assert [node.name for node in nodes] == ["a", "c"]


class TestNode:
    def test_has_names_for_what_has_none(self) -> None:
        nodes = read('<testsuite><testcase/><testcase name=""/></testsuite>')[1]

        assert [node.name for node in nodes] == [
            "(unnamed suite)",
            "(unnamed test)",
            "(unnamed test)",
        ]

    def test_cuts_a_long_name_visibly(self) -> None:
        node = read(suite(f'<testcase name="{"n" * 5_000}"/>'))[1][1]

        assert len(node.name) == 1_000
        assert node.name.endswith("n…")

    def test_has_class_name_and_duration(self) -> None:
        node = read(suite('<testcase name="c" classname="org.K" time="0.25"/>'))[1][1]

        assert (node.class_name, node.seconds) == ("org.K", 0.25)

    @pytest.mark.parametrize("time", ["-345345", "NaN", "abc", "inf", "1e300"])
    def test_does_without_a_bad_duration_and_counts_it(self, time: str) -> None:
        reader, nodes = read(suite(f'<testcase name="c" time="{time}"/>'))

        assert nodes[1].seconds is None
        assert reader.totals.unread_durations == 1
        assert reader.totals.passed == 1

    def test_ends_when_it_started_plus_what_it_took(self) -> None:
        node = read('<testsuite timestamp="2024-03-05T08:15:42+02:00" time="1.5"/>')[1][0]

        assert node.started_at == datetime(2024, 3, 5, 6, 15, 42, tzinfo=UTC)
        assert node.finished_at == datetime(2024, 3, 5, 6, 15, 43, 500_000, tzinfo=UTC)

    def test_describes_a_failure_by_message_and_trace(self) -> None:
        node = read(case_with('<failure message="expected 3" type="E">at\n line 12\n</failure>'))[
            1
        ][1]

        assert node.description == "expected 3\nat\n line 12"
        assert node.metadata == {"type": "E", "message": "expected 3"}

    def test_describes_every_rerun(self) -> None:
        node = read(
            case_with(
                '<failure message="m">t</failure><rerunFailure message="again">'
                "<stackTrace>s</stackTrace><system-out>o</system-out></rerunFailure>"
            )
        )[1][1]

        assert node.description == "m\nt\n\nRerun failure: again\nso"
        assert node.status == "Failed"

    def test_marks_a_flaky_pass(self) -> None:
        node = read(case_with('<flakyFailure message="late">t</flakyFailure>'))[1][1]

        assert (node.status, node.is_flaky) == ("Passed", True)
        assert node.description == "Flaky failure: late\nt"

    def test_keeps_output_and_other_attributes_as_metadata(self) -> None:
        node = read(
            suite(
                '<testcase name="c" file="a.py" line="3"><system-out><![CDATA[out]]></system-out>'
                "<system-err>err</system-err><system-out>more</system-out></testcase>"
            )
        )[1][1]

        assert node.metadata == {
            "file": "a.py",
            "line": "3",
            "system-out": "outmore",
            "system-err": "err",
        }

    def test_keeps_properties_as_parameters(self) -> None:
        node = read(
            case_with(
                '<properties><property name="a" value="1"/><property name="b">two</property>'
                "</properties>"
            )
        )[1][1]

        assert node.parameters == {"a": "1", "b": "two"}

    def test_does_not_take_a_report_inside_a_text_for_nodes(self) -> None:
        reader, _ = read(case_with("<system-out><testcase name='x'/><failure/></system-out>"))

        assert reader.totals.results == 1
        assert reader.totals.passed == 1


class TestText:
    @pytest.mark.parametrize("character", ["x", "ä", "€", "🎉"])
    @pytest.mark.parametrize("element", ["failure", "system-out", "system-err"])
    def test_is_kept_to_64_kb_with_a_mark(self, element: str, character: str) -> None:
        node = read(case_with(f"<{element}>{character * 200_000}</{element}>"))[1][1]

        texts = [node.description or "", *(node.metadata or {}).values()]
        kept = max(texts, key=len)
        written = 200_000 * len(character.encode())
        assert kept.endswith(f"{character}\n[cut here: {written:,} bytes in all]")
        assert NODE_LIMIT - 1_000 < len(kept.encode()) <= NODE_LIMIT

    def test_of_all_kinds_together_is_kept_to_64_kb_the_failure_first(self) -> None:
        long = "x" * 50_000
        properties = "".join(f'<property name="{n}" value="{long}"/>' for n in range(5))
        node = read(
            case_with(
                f"<system-out>{long}</system-out><properties>{properties}</properties>"
                f"<failure>{long}</failure><system-err>{long}</system-err>"
            )
        )[1][1]

        metadata, parameters = node.metadata or {}, node.parameters or {}
        whole = [node.description or "", *metadata.values(), *parameters.values()]
        assert sum(len(text) for text in whole) <= NODE_LIMIT
        assert node.description == long
        assert "[cut here: 50,000 bytes in all]" in parameters["0"]

    def test_just_short_of_the_limit_is_whole(self) -> None:
        text = "x" * 65_000
        node = read(case_with(f"<failure>{text}</failure>"))[1][1]

        assert node.description == text

    def test_of_any_length_takes_constant_memory(self) -> None:
        reader = JUnitReader()
        tracemalloc.start()

        for _nodes in reader.read(report(100, output=50_000_000)):
            pass

        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5_000_000

    def test_of_a_long_report_takes_constant_memory(self) -> None:
        reader = JUnitReader()
        tracemalloc.start()

        for _nodes in reader.read(_cut_up(report(30_000, cases_per_suite=30_000), 65_536)):
            pass

        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert reader.totals.results == 30_000
        assert peak < 15_000_000


def _cut_up(pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), length):
            yield piece[at : at + length]


class TestPieces:
    @pytest.mark.parametrize("piece", [1, 7, 64])
    def test_of_any_length_read_alike(self, piece: int) -> None:
        content = b"".join(report(230, cases_per_suite=50, output=100))

        assert read(content, piece=piece)[1] == read(content)[1]


class TestEncoding:
    @pytest.mark.parametrize(
        "encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "gb18030"]
    )
    def test_is_understood(self, encoding: str) -> None:
        declared = encoding.removesuffix("-sig")
        text = f'<?xml version="1.0" encoding="{declared}"?><testsuite name="Prüfung"/>'

        assert read(text.encode(encoding))[1][0].name == "Prüfung"

    @pytest.mark.parametrize("encoding", ["klingon", "zip", "rot13"])
    def test_that_is_not_known_is_refused(self, encoding: str) -> None:
        with pytest.raises(ReportMalformed) as refusal:
            read(f'<?xml version="1.0" encoding="{encoding}"?><testsuite/>')

        assert str(refusal.value) == (
            f"Unable to parse results: its encoding '{encoding}' is not known."
        )

    def test_that_is_not_kept_is_refused(self) -> None:
        with pytest.raises(ReportMalformed) as refusal:
            read(b'<?xml version="1.0" encoding="gb18030"?><testsuite name="\xff\xff"/>')

        assert str(refusal.value) == (
            "Unable to parse results: it is not the gb18030 that it declares to be."
        )


class TestRefusal:
    @pytest.mark.parametrize(
        "content, reason",
        [
            ("", "the report is empty"),
            ("   ", "unexpected end of file"),
            ("<testsuite>", "unexpected end of file"),
            ("<testsuite><testcase", "unclosed token at line 1, column 12"),
            ("not xml", "syntax error at line 1, column 1"),
            ("<testsuite>\n</testcase>", "mismatched tag at line 2, column 3"),
            ("<html/>", "its root element is <html>, not <testsuites> or <testsuite>"),
            ("<testcase/>", "its root element is <testcase>, not <testsuites> or <testsuite>"),
            (
                '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite>&x;</testsuite>',
                "its DOCTYPE declares entities or attributes of its own",
            ),
            (
                '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1/x">%x;]><testsuite/>',
                "its DOCTYPE declares entities or attributes of its own",
            ),
            (
                '<!DOCTYPE r [<!ATTLIST testcase a CDATA "x">]><testsuite/>',
                "its DOCTYPE declares entities or attributes of its own",
            ),
            (
                '<!DOCTYPE r SYSTEM "r.dtd"><testsuite>&x;</testsuite>',
                "it uses the entity &x;, which is not defined",
            ),
            ("<testsuite>&x;</testsuite>", "undefined entity at line 1, column 12"),
            (
                "<testsuite>" * 200 + "</testsuite>" * 200,
                f"its elements are nested more than {DEEPEST} deep",
            ),
            (
                "<testsuite>" + "".join(f"<e{n}/>" for n in range(30_000)) + "</testsuite>",
                "it has more than 10,000 different names of elements",
            ),
            (
                f'<testsuite name="{"x" * (LONGEST_TAG + 200_000)}"/>',
                "a tag or comment near line 1 is longer than 4 MB",
            ),
        ],
    )
    def test_says_what_is_wrong(self, content: str, reason: str) -> None:
        with pytest.raises((ReportMalformed, ReportRefused)) as refusal:
            read(content)

        assert str(refusal.value) == f"Unable to parse results: {reason}."

    def test_names_the_report_within_a_zip(self) -> None:
        with pytest.raises(ReportRefused) as refusal:
            list(JUnitReader().read([b"<html/>"], "site/index.xml"))

        assert str(refusal.value) == (
            "Unable to parse results (site/index.xml): "
            "its root element is <html>, not <testsuites> or <testsuite>."
        )

    def test_does_not_mind_a_doctype_that_declares_nothing(self) -> None:
        nodes = read('<!DOCTYPE testsuite SYSTEM "junit.dtd"><testsuite name="a"/>')[1]

        assert [node.name for node in nodes] == ["a"]

    def test_leaves_the_reader_fit_for_the_next_report(self) -> None:
        reader = JUnitReader()
        with pytest.raises(ReportMalformed):
            list(reader.read([b"<testsuite><testcase>"]))

        nodes = [node for some in reader.read([b"<testsuite/>"]) for node in some]

        assert [node.parent for node in nodes] == [None]
