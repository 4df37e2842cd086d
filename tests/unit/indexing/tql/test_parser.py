import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexing.tql import (
    Alternative,
    Both,
    Comparison,
    Condition,
    Count,
    Field,
    Function,
    GroupBy,
    Membership,
    Negation,
    Operator,
    Order,
    Position,
    Query,
    QueryInvalid,
    Related,
    Value,
    Words,
    parse,
)
from indexing.tql.parser import MAX_CONDITIONS, MAX_DEPTH, MAX_LENGTH, MAX_VALUES


def equal(field: str, value: str) -> Comparison:
    return Comparison(Field(field), Operator.EQUAL, Value(value))


def condition(text: str) -> Condition | None:
    return parse(text).condition


class TestComparison:
    @pytest.mark.parametrize("operator", list(Operator))
    def test_takes_every_operator(self, operator: Operator) -> None:
        assert condition(f"Name {operator} report") == Comparison(
            Field("Name"), operator, Value("report")
        )

    @pytest.mark.parametrize(
        "written, value",
        [
            ("report", "report"),
            ("'two words'", "two words"),
            ('"two words"', "two words"),
            ("'it''s'", "it's"),
            ('"say ""no"""', 'say "no"'),
            ("'say \"no\"'", 'say "no"'),
            ("''", ""),
            ("5c0c8a0e-90f4-4b0f-8c8e-6f4f6a3d1b27", "5c0c8a0e-90f4-4b0f-8c8e-6f4f6a3d1b27"),
            ("2024-03-05T08:15:42Z", "2024-03-05T08:15:42Z"),
            ("Root|Child", "Root|Child"),
            ("io.olamy.FlakyTest", "io.olamy.FlakyTest"),
            ("Überprüfung", "Überprüfung"),
            ("'line\nbreak'", "line\nbreak"),
            ("count", "count"),
        ],
    )
    def test_takes_bare_and_quoted_values(self, written: str, value: str) -> None:
        assert condition(f"Name={written}") == equal("Name", value)

    def test_needs_no_space_around_its_operator(self) -> None:
        assert condition("a!=b") == Comparison(Field("a"), Operator.UNEQUAL, Value("b"))


class TestMembership:
    @pytest.mark.parametrize("written", ["(Open, 'Re opened')", "[Open,'Re opened']"])
    def test_takes_round_and_square_brackets(self, written: str) -> None:
        assert condition(f"Status IN {written}") == Membership(
            Field("Status"), (Value("Open"), Value("Re opened"))
        )

    def test_takes_a_function(self) -> None:
        assert condition("Id IN Packages('Root|Child')") == Membership(
            Field("Id"), Function("Packages", (Value("Root|Child"),))
        )

    def test_may_be_negated_in_place(self) -> None:
        assert condition("Status NOT IN (Open)") == Negation(
            Membership(Field("Status"), (Value("Open"),))
        )


class TestLogic:
    def test_and_binds_closer_than_or(self) -> None:
        assert condition("a=1 OR b=2 AND c=3") == Alternative(
            (equal("a", "1"), Both((equal("b", "2"), equal("c", "3"))))
        )

    def test_brackets_bind_closest(self) -> None:
        assert condition("(a=1 OR b=2) AND c=3") == Both(
            (Alternative((equal("a", "1"), equal("b", "2"))), equal("c", "3"))
        )

    def test_not_binds_closer_than_and(self) -> None:
        assert condition("NOT a=1 AND b=2") == Both((Negation(equal("a", "1")), equal("b", "2")))

    def test_a_chain_is_one_list(self) -> None:
        assert condition("a=1 AND (b=2 AND c=3)") == Both(
            (equal("a", "1"), equal("b", "2"), equal("c", "3"))
        )

    def test_keywords_may_have_any_case(self) -> None:
        assert parse("not a=1 and b in (2) order by c desc") == parse(
            "NOT a=1 AND b IN (2) ORDER BY c DESC"
        )

    def test_a_word_that_begins_like_a_keyword_is_a_word(self) -> None:
        assert condition("Android=Ordered") == equal("Android", "Ordered")

    def test_relationships_take_a_condition(self) -> None:
        found = condition(
            "EntityType = Requirement AND Relationships IN "
            "{ RelatedToEntityType = Incident AND RelatedToStatus = Open }"
        )

        assert found == Both(
            (
                equal("EntityType", "Requirement"),
                Related(
                    Field("Relationships"),
                    Both(
                        (equal("RelatedToEntityType", "Incident"), equal("RelatedToStatus", "Open"))
                    ),
                ),
            )
        )


class TestWholeQuery:
    @pytest.mark.parametrize("text", ["", "  \n\t "])
    def test_without_text_asks_for_everything(self, text: str) -> None:
        assert parse(text) == Query()

    def test_of_words_only_is_free_text(self) -> None:
        assert parse("flaky 'check out'") == Query(Words((Value("flaky"), Value("check out"))))

    def test_may_be_ordered(self) -> None:
        assert parse("a=1 ORDER BY Name, LastUpdatedAt DESC, Id ASC").order == (
            Order(Field("Name")),
            Order(Field("LastUpdatedAt"), descending=True),
            Order(Field("Id")),
        )

    def test_of_free_text_may_be_ordered(self) -> None:
        assert parse("flaky ORDER BY Name").order == (Order(Field("Name")),)

    def test_may_be_an_order_alone(self) -> None:
        assert parse("ORDER BY Name") == Query(order=(Order(Field("Name")),))


class TestAggregates:
    def test_groups_may_nest(self) -> None:
        assert parse("GROUP BY Project { GROUP BY EntityType { COUNT } }") == Query(
            aggregates=(GroupBy(Field("Project"), (GroupBy(Field("EntityType"), (Count(),)),)),)
        )

    def test_may_be_several_with_names_over_a_condition(self) -> None:
        assert parse(
            'COUNT AS "All of them", GROUP BY Status { COUNT AS n } AS ByStatus WHERE a=1'
        ) == Query(
            condition=equal("a", "1"),
            aggregates=(
                Count("All of them"),
                GroupBy(Field("Status"), (Count("n"),), "ByStatus"),
            ),
        )


class TestRefusal:
    @pytest.mark.parametrize(
        "text, line, column, problem",
        [
            ("Name ~", 1, 7, "expected a value, but the query ends here."),
            (
                "Name ~ x y",
                1,
                10,
                "expected AND, OR, ORDER or the end of the query, found y.",
            ),
            ("Name ~ 'abc", 1, 8, "the text that begins here has no closing '"),
            ("(a=b", 1, 5, 'expected ")", but the query ends here.'),
            ("a=b\nAND c == d", 2, 8, "expected a value, found =."),
            ("GROUP BY x COUNT", 1, 12, 'expected "{", found COUNT.'),
            ("a=b ORDER Name", 1, 11, "expected BY, found Name."),
            ("a=\n'\ud800'", 2, 2, "the character U+D800 is not allowed."),
            ("a='\0'", 1, 4, "the character U+0000 is not allowed."),
            ("a=b, c=d", 1, 4, "expected AND, OR, ORDER or the end of the query, found ,."),
        ],
    )
    def test_says_where_and_what_was_expected(
        self, text: str, line: int, column: int, problem: str
    ) -> None:
        with pytest.raises(QueryInvalid) as refusal:
            parse(text)

        assert refusal.value.position == Position(line, column)
        assert refusal.value.problem == problem
        assert str(refusal.value) == (
            f"The query is not valid at line {line}, column {column}: {problem}"
        )

    @pytest.mark.parametrize(
        "text, problem",
        [
            (
                "x" * (MAX_LENGTH + 1),
                f"it is {MAX_LENGTH + 1} characters long; at most {MAX_LENGTH} are allowed.",
            ),
            ("NOT " * 14_000 + "a=b", f"it is nested deeper than {MAX_DEPTH} levels."),
            ("GROUP BY x { " * 50 + "COUNT" + " }" * 50, "it is nested deeper than 40 levels."),
            ("a=b OR " * 8_000 + "a=b", f"it has more than {MAX_CONDITIONS} conditions."),
            ("a IN (" + "b," * 29_000 + "b)", f"a list has more than {MAX_VALUES} values."),
        ],
        ids=["long", "deep", "deep groups", "wide", "many values"],
    )
    def test_of_hostile_input_names_the_limit(self, text: str, problem: str) -> None:
        with pytest.raises(QueryInvalid) as refusal:
            parse(text)

        assert refusal.value.problem == problem

    def test_brackets_alone_are_no_depth(self) -> None:
        assert condition("(" * 25_000 + "a=b" + ")" * 25_000) == equal("a", "b")

    @given(
        st.text(max_size=60)
        | st.lists(
            st.sampled_from(
                ["Name", "AND", "NOT", "IN", "(", ")", "{", "}", "'", '"', "=", "~", ",", "GROUP"]
            ),
            max_size=20,
        ).map(" ".join)
    )
    def test_is_the_only_other_answer(self, text: str) -> None:
        try:
            answer: object = parse(text)
        except QueryInvalid as refusal:
            answer = refusal

        assert isinstance(answer, Query | QueryInvalid)
