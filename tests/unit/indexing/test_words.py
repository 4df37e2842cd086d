import pytest

from indexing.words import Term, fold, fold_all, split_all, terms


def found(name: str, asked: str) -> bool:
    """What every backend does: each term begins a word of the text."""
    words = split_all([name])[0].split()

    def begins(prefix: str) -> bool:
        return any(word.startswith(prefix) for word in words)

    return all(
        begins(term.word) or bool(term.pieces and all(map(begins, term.pieces)))
        for term in terms(asked)
    )


@pytest.mark.parametrize(
    "name, asked",
    [
        ("refund_is_rounded", "refund"),
        ("refund_is_rounded", "rounded"),
        ("refund_is_rounded", "refund_is_rounded"),
        ("testFlaky[1]", "flaky"),
        ("testFlaky[1]", "1"),
        ("testFlaky[1]", "testflaky"),
        ("testFlaky[1]", "testFlaky[1]"),
        ("io.olamy.FlakyTest", "olamy"),
        ("io.olamy.FlakyTest", "flaky"),
        ("io.olamy.FlakyTest", "test"),
        ("io.olamy.FlakyTest", "FlakyTest"),
        ("io.olamy.FlakyTest", "io.olamy.FlakyTest"),
        ("RefundServiceTest", "ServiceTest"),
        ("parseXMLFile", "xml"),
        ("parseXMLFile", "XMLFile"),
        ("JUnit4Test", "junit"),
        ("Überprüfung des Cafés", "uberprufung"),
        ("Uberprufung", "Überprüfung"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("検索の試験", "試験"),
        ("Ошибка входа", "ВХОДА"),
        ("checkout", "check"),
        ("a\0b", "b"),
    ],
)
def test_a_name_is_found_by_a_word_of_it(name: str, asked: str) -> None:
    assert found(name, asked)


@pytest.mark.parametrize(
    "name, asked", [("checkout", "out"), ("refund_is_rounded", "refund exact"), ("a.b", "c")]
)
def test_a_name_is_not_found_by_what_is_no_word_of_it(name: str, asked: str) -> None:
    assert not found(name, asked)


def test_many_texts_are_split_as_each_alone() -> None:
    texts = ["testFlaky[1]", "", "Überprüfung", "a\0b", "two\nlines", "XMLHttp"]

    assert split_all(texts) == [split_all([text])[0] for text in texts]
    assert split_all([]) == []


def test_many_texts_are_folded_as_each_alone() -> None:
    texts = ["Failed", "", "ÉCHEC", "a\0b"]

    assert fold_all(texts) == [fold(text) for text in texts] == ["failed", "", "echec", "a\0b"]
    assert fold_all(["Open", "SHUT"]) == ["open", "shut"]
    assert fold_all([]) == []


def test_a_word_with_humps_is_asked_for_whole_or_in_pieces() -> None:
    assert terms("FlakyTest flaky FLAKY") == [
        Term("flakytest", ("flaky", "test")),
        Term("flaky"),
    ]


def test_a_word_is_cut_where_the_database_would_refuse_it() -> None:
    assert terms("x" * 500) == [Term("x" * 200)]


@pytest.mark.parametrize("text", ["", "  ", "!?", "\0"])
def test_a_text_without_words_asks_for_nothing(text: str) -> None:
    assert terms(text) == []
