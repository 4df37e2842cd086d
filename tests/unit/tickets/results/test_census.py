import pytest

from tests.support.reports import report
from tickets.results.census import count_cases


class TestCountCases:
    @pytest.mark.parametrize("piece", [1, 9, 10, 11, 1_000, 1_000_000])
    def test_counts_however_the_report_is_cut_up(self, piece: int) -> None:
        content = b"".join(report(137, cases_per_suite=20))
        pieces = (content[at : at + piece] for at in range(0, len(content), piece))

        assert count_cases(pieces) == 137

    def test_counts_utf_16(self) -> None:
        assert count_cases(["<testsuite><testcase/></testsuite>".encode("utf-16")]) == 1

    def test_does_not_count_other_elements(self) -> None:
        assert count_cases([b"<testcases><testcaseset/><testsuite/></testcases>"]) == 0
