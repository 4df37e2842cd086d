from hypothesis import given
from hypothesis import strategies as st

from tickets.results.text import NODE_LIMIT, BoundedText, cut


class TestCut:
    def test_leaves_alone_what_fits(self) -> None:
        assert cut("abc", 3) == "abc"

    @given(st.text(min_size=100), st.integers(min_value=60, max_value=90))
    def test_never_exceeds_the_limit(self, text: str, limit: int) -> None:
        assert len(cut(text, limit).encode()) <= limit

    def test_says_how_much_there_was(self) -> None:
        assert cut("x" * 100, 40) == "x" * 11 + "\n[cut here: 100 bytes in all]"


class TestBoundedText:
    def test_joins_its_pieces_and_strips_them(self) -> None:
        text = BoundedText()
        for piece in ("\n ", "a", " b", "\n"):
            text.add(piece)

        assert text.value() == "a b"

    def test_counts_what_it_does_not_keep(self) -> None:
        text = BoundedText()
        for _ in range(10):
            text.add("x" * NODE_LIMIT)

        assert text.seen == 10 * NODE_LIMIT
        assert text.value().endswith("x\n[cut here: 655,360 bytes in all]")
        assert len(text.value()) == NODE_LIMIT
