"""`filters`: the whole grammar, each version's table, and indexes whatever is asked."""

from __future__ import annotations

import random
import time
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks.api.sailpoint.vocabulary import kind
from backgroundtasks.handlers import registry
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.http import Caller
from tests.support.sailpoint import BASES, ids, runs

pytestmark = pytest.mark.django_db

LIST = BASES["v1"]
VALUE = "400.1.3 Illegal value"
WORDS = ["SUCCESS", "WARNING", "ERROR", "TERMINATED", "TEMPERROR"]


@pytest.fixture
def me() -> Caller:
    return Caller(factories.actor(username="Bob"))


def find(me: Caller, text: str, base: str = LIST, more: str = "") -> Any:
    return me.get(f"{base}?filters={quote(text)}{more}")


def refusal(answer: Any) -> str:
    assert answer.status_code == 400, answer.content
    assert answer.json()["detailCode"] == VALUE
    return str(answer.json()["messages"][0]["text"])


class TestFields:
    def test_id(self, me: Caller) -> None:
        first, second, third = (run.pk.hex for run in runs(me, 3))

        assert ids(find(me, f'id eq "{second}"')) == [second]
        assert ids(find(me, f'id in ("{third}","{first}","{"0" * 32}")')) == [first, third]
        assert ids(find(me, 'id eq "nonsense"')) == []

    def test_an_id_is_exact(self, me: Caller) -> None:
        [run] = runs(me, 1)

        assert ids(find(me, f'id eq "{run.pk.hex.upper()}"')) == []
        assert ids(find(me, f'id eq "{run.pk}"')) == []

    def test_source_id_is_the_targets(self, me: Caller) -> None:
        one = factories.run(owner=me.actor, resource_id="77c1").pk.hex
        two = factories.run(owner=me.actor, resource_id='a"b\\c').pk.hex
        factories.run(owner=me.actor)

        assert ids(find(me, 'sourceId eq "77c1"')) == [one]
        assert ids(find(me, 'sourceId in ("77c1","a\\"b\\\\c")')) == [two, one]

    @pytest.mark.parametrize("word", WORDS)
    @pytest.mark.parametrize("spelled", [str.upper, str.lower, str.title])
    def test_completion_status_in_any_letter_case(
        self, me: Caller, word: str, spelled: Any
    ) -> None:
        for state in State:
            factories.run(state, owner=me.actor)
        factories.run(State.FAILED, owner=me.actor, temporary=True)

        found = find(me, f'completionStatus eq "{spelled(word)}"').json()

        everything = me.get(LIST).json()
        assert found == [item for item in everything if item["completionStatus"] == word] != []

    def test_what_has_no_completion_status(self, me: Caller) -> None:
        for state in State:
            factories.run(state, owner=me.actor)

        found = ids(find(me, "completionStatus isnull"))

        assert found == ids(me.get("/beta/task-status/pending-tasks"))
        assert len(found) == len(State) - len(FINAL)

    def test_type_is_the_kind_of_task(self, me: Caller) -> None:
        work = factories.run(owner=me.actor, task_type="Work").pk.hex
        again = factories.run(owner=me.actor, task_type="AgainWork").pk.hex

        assert ids(find(me, 'type eq "AGAIN_WORK"')) == [again]
        assert ids(find(me, 'type in ("again_work","Work","NOOP")')) == [again, work]

    @pytest.mark.parametrize(
        "word, origins",
        [
            ("QUARTZ", ["schedule"]),
            ("QPOC", ["parent", "code"]),
            ("QUEUED_TASK", ["command", "enterprise_tester"]),
        ],
    )
    def test_or_how_it_was_started(self, me: Caller, word: str, origins: list[str]) -> None:
        made = {
            origin: factories.run(owner=me.actor, origin=origin).pk.hex
            for origin in ("enterprise_tester", "code", "schedule", "command", "parent")
        }

        answer = find(me, f'type eq "{word.lower()}"')

        assert sorted(ids(answer)) == sorted(made[origin] for origin in origins)
        assert {item["type"] for item in answer.json()} == {word}

    def test_every_kind_is_a_name_of_its_own(self) -> None:
        kinds = [kind(handler.task_type) for handler in registry.all_handlers()]

        assert len(set(kinds)) == len(kinds)
        assert "AUTOMATED_TEST_IMPORT" in kinds

    def test_launcher_in_any_letter_case(self, me: Caller) -> None:
        mine = runs(me, 1)[0].pk.hex
        other = factories.actor(account=me.actor.account, username="ops.bot")
        theirs = factories.run(owner=other).pk.hex
        nobodys = factories.run(owner=me.actor).pk
        TaskStatus.objects.filter(pk=nobodys).update(owner=None)

        assert ids(find(me, 'launcher eq "bob"')) == [mine]
        assert ids(find(me, 'launcher in ("BOB","ops.bot","nobody")')) == [theirs, mine]
        assert ids(find(me, 'launcher eq "System"')) == [nobodys.hex]
        assert ids(find(me, 'not launcher in ("bob","ops.bot")')) == [nobodys.hex]
        assert ids(find(me, 'not launcher eq "system"')) == [theirs, mine]

    def test_a_launcher_who_has_left_is_found_by_name(self, me: Caller) -> None:
        gone = factories.actor(account=me.actor.account, username="Gone")
        run = factories.run(owner=gone)
        gone.user.memberships.all().delete()

        assert ids(find(me, 'launcher eq "Gone"')) == [run.pk.hex]


class TestGrammar:
    @pytest.mark.parametrize(
        "text, expected",
        [
            ('sourceId eq "a"', "a"),
            ('sourceId eq"a"', "a"),
            ('sourceId in("a","b")', "ab"),
            ('sourceId in ( "a" , "b" )', "ab"),
            ('not sourceId eq "a"', "bc"),
            ('not not sourceId eq "a"', "a"),
            ('not (sourceId eq "a")', "bc"),
            ('(((sourceId eq "a")))', "a"),
            ('sourceId eq "a" or sourceId eq "b"', "ab"),
            ('sourceId eq "a" and sourceId eq "b"', ""),
            ('sourceId eq "a" or sourceId eq "b" and completionStatus eq "ERROR"', "a"),
            ('(sourceId eq "a" or sourceId eq "b") and completionStatus eq "ERROR"', ""),
            ('not sourceId eq "a" and sourceId eq "a"', ""),
            ('not (sourceId eq "a" and sourceId eq "a")', "bc"),
            ('not (sourceId eq "a" or sourceId eq "b")', "c"),
            ('completionStatus isnull and not sourceId eq "b"', "ac"),
            ('(sourceId eq"a")or(sourceId eq"c")', "ac"),
            ('\tsourceId\neq\r"a" ', "a"),
        ],
    )
    def test_precedence_and_blanks(self, me: Caller, text: str, expected: str) -> None:
        made = {
            factories.run(owner=me.actor, resource_id=name).pk.hex: name for name in ("c", "b", "a")
        }

        assert "".join(made[one] for one in ids(find(me, text))) == expected

    @pytest.mark.parametrize("encode", [quote, quote_plus])
    def test_blanks_come_as_plus_or_percent_20(self, me: Caller, encode: Any) -> None:
        [run] = runs(me, 1)

        answer = me.get(
            f"{LIST}?filters={encode('completionStatus isnull and id in (')}"
            f"{encode(chr(34) + run.pk.hex + chr(34))})"
        )

        assert ids(answer) == [run.pk.hex]

    def test_an_empty_one_is_none(self, me: Caller) -> None:
        [run] = runs(me, 1)

        assert ids(me.get(f"{LIST}?filters=")) == [run.pk.hex]

    @pytest.mark.parametrize(
        "text, problem",
        [
            (" ", 'at position 2: expected a field or not or pr or "(", but it ends here.'),
            ("id", "at position 3: expected eq or in or isnull, but it ends here."),
            ('id EQ "a"', "at position 4: expected eq or in or isnull, found EQ."),
            ('id IN ("a")', "at position 4: expected eq or in or isnull, found IN."),
            (
                'id eq "a" AND id eq "b"',
                "at position 11: expected and or or or the end, found AND.",
            ),
            ('id eq "a', 'at position 7: the text that begins here has no closing ".'),
            ('id eq "a\\n"', 'at position 7: the text that begins here has no closing ".'),
            ("id eq 'a'", 'at position 7: the character "\'" means nothing here.'),
            ('(id eq "a"', 'at position 11: expected ")", but it ends here.'),
            ('id eq "a")', "at position 10: expected the end, found )."),
            ("id in ()", 'at position 8: expected a text in "…", found ).'),
            ('id in ("a",)', 'at position 12: expected a text in "…", found ).'),
            ('id in "a"', 'at position 7: expected "(", found "a".'),
            ("id eq 5", 'at position 1: id is a text: write it in "…".'),
            ("launcher eq true", 'at position 1: launcher is a text: write it in "…".'),
            ("id eq 2026-03-04T08:15:30Z", 'at position 1: id is a text: write it in "…".'),
            (
                'id eq "a" or name eq "b"',
                (
                    'at position 14: there is no field "name" here; '
                    "there are id, sourceId, completionStatus, type, launcher."
                ),
            ),
            (
                'created gt "a"',
                (
                    'at position 1: there is no field "created" here; '
                    "there are id, sourceId, completionStatus, type, launcher."
                ),
            ),
            ('id ne "a"', "at position 1: id takes eq, in here, not ne."),
            ('id co "a"', "at position 1: id takes eq, in here, not co."),
            ('id sw "a"', "at position 1: id takes eq, in here, not sw."),
            ('id ca ("a")', "at position 1: id takes eq, in here, not ca."),
            ("id isnull", "at position 1: id takes eq, in here, not isnull."),
            ("pr id", "at position 4: id takes eq, in here, not pr."),
            (
                'type eq "NOPE"',
                'at position 1: there is no type "NOPE"; it is the kind of task, as AGAIN_WORK.',
            ),
            (
                'completionStatus eq "Completed"',
                (
                    "at position 1: completionStatus is one of "
                    "ERROR, SUCCESS, TEMPERROR, TERMINATED, WARNING."
                ),
            ),
            ('id eq "\0"', "at position 1: a text holds a NUL character."),
            ("\0", "at position 1: the character '\\x00' means nothing here."),
            ("#", "at position 1: the character '#' means nothing here."),
        ],
    )
    def test_what_is_wrong_is_told_with_its_place(
        self, me: Caller, text: str, problem: str
    ) -> None:
        assert refusal(find(me, text)) == f"filters is not valid {problem}"


#: The contract's table, row by row.
OLDEST = {("id", "eq"), ("id", "in"), ("sourceId", "eq"), ("sourceId", "in")} | {
    (field, operator) for field in ("completionStatus", "type") for operator in ("eq", "in")
}
TABLE = {
    "beta": OLDEST,
    "v2024": OLDEST,
    "v2025": OLDEST | {("completionStatus", "isnull")},
    "v2026": OLDEST | {("completionStatus", "isnull"), ("launcher", "eq"), ("launcher", "in")},
    "v1": OLDEST | {("completionStatus", "isnull"), ("launcher", "eq"), ("launcher", "in")},
}
TEXTS = {"completionStatus": "Error", "type": "WORK", "id": "0", "sourceId": "x", "launcher": "x"}


@pytest.mark.parametrize("version", BASES)
@pytest.mark.parametrize("field", TEXTS)
def test_each_version_takes_the_operators_of_its_table(
    me: Caller, version: str, field: str
) -> None:
    value = f'"{TEXTS[field]}"'
    asked = {operator: f"{field} {operator} {value}" for operator in ("eq", "ne", "co", "sw", "gt")}
    asked |= {operator: f"{field} {operator} ({value})" for operator in ("in", "ca")}
    asked |= {"isnull": f"{field} isnull", "pr": f"pr {field}"}

    taken = {
        (field, operator)
        for operator, text in asked.items()
        if find(me, text, BASES[version]).status_code == 200
    }

    assert taken == {pair for pair in TABLE[version] if pair[0] == field}


class TestLimits:
    @pytest.mark.parametrize(
        "text",
        [
            "(" * 60_000,
            "not " * 15_000 + "completionStatus isnull",
            "(" * 29_000 + "completionStatus isnull" + ")" * 29_000,
            " or ".join(['id eq "a"'] * 4_000),
            "id in (" + ",".join(['"a"'] * 14_000) + ")",
            '"' * 60_000,
            '"' + '\\"' * 29_000,
            "a" * 60_000,
            "1-" * 30_000,
            'not (id eq "a" and ' * 25 + 'id eq "a"' + ")" * 25,
            'id eq "' + "a" * 60_000,
            " or ".join(['id eq "a"'] * 101),
            "id in (" + ",".join(['"a"'] * 1_001) + ")",
        ],
        ids=range(13),
    )
    def test_deep_and_long_ones_are_refused_at_once(self, me: Caller, text: str) -> None:
        find(me, "completionStatus isnull")  # the grammar is read once
        began = time.thread_time()

        answer = find(me, text)

        # Of this thread's own time, which a busy machine does not lengthen.
        assert time.thread_time() - began < 1
        assert "filters" in refusal(answer)

    def test_a_thousand_ids_are_found(self, me: Caller) -> None:
        [run] = runs(me, 1)
        listed = ",".join([*(f'"{n:032x}"' for n in range(999)), f'"{run.pk.hex}"'])

        assert ids(find(me, f"id in ({listed})")) == [run.pk.hex]

    def test_many_sources_are_found_in_order(self, me: Caller) -> None:
        made = [factories.run(owner=me.actor, resource_id=f"s{n}").pk.hex for n in range(40)]
        listed = ",".join(f'"s{n}"' for n in range(40))

        assert ids(find(me, f"sourceId in ({listed})", more="&limit=3&offset=1")) == made[-2:-5:-1]


class _Mirror:
    """What a filter means, over what the API shows: the same again, in the simplest way."""

    def __init__(self, random_: random.Random, launchers: list[str]) -> None:
        self._random = random_
        self._launchers = launchers

    def make(self, depth: int) -> tuple[str, Any]:
        """Return a text and the predicate that it stands for."""
        roll = self._random.random()
        if depth and roll < 0.25:
            text, fits = self.make(depth - 1)
            return f"not ({text})", lambda item: not fits(item)
        if depth and roll < 0.75:
            word = self._random.choice(["and", "or"])
            (left, first), (right, second) = self.make(depth - 1), self.make(depth - 1)
            if word == "and":
                return f"({left}) and ({right})", lambda item: first(item) and second(item)
            return f"({left}) or ({right})", lambda item: first(item) or second(item)
        return self._test()

    def _test(self) -> tuple[str, Any]:
        choose = self._random.choice
        field = choose(["completionStatus", "type", "launcher", "sourceId", "door", "null"])
        if field == "null":
            return "completionStatus isnull", lambda item: item["completionStatus"] is None
        values = {
            "completionStatus": WORDS,
            "type": ["WORK", "NOOP", "URGENT"],
            "launcher": [*self._launchers, "system", "nobody"],
            "sourceId": ["a", "b", "zzz"],
            "door": ["QUARTZ", "QPOC", "QUEUED_TASK"],
        }[field]
        some = self._random.sample(values, choose([1, 1, 2]))
        listed = ",".join(f'"{value}"' for value in some)
        name = "type" if field == "door" else field
        text = f"{name} in ({listed})" if len(some) > 1 else f"{name} eq {listed}"
        read = {
            "completionStatus": lambda item: item["completionStatus"],
            "type": lambda item: item["taskDefinitionSummary"]["uniqueName"].upper(),
            "launcher": lambda item: item["launcher"],
            "sourceId": lambda item: (item["target"] or {}).get("id"),
            "door": lambda item: item["type"],
        }[field]
        return text, lambda item: read(item) in some


@pytest.mark.parametrize("seed", range(2))
def test_any_filter_finds_what_it_means(me: Caller, seed: int) -> None:
    chance = random.Random(seed)
    others = [factories.actor(account=me.actor.account) for _ in range(2)]
    for _ in range(80):
        source = chance.choice([None, "a", "b"])
        run = factories.run(
            chance.choice(list(State)),
            owner=chance.choice([me.actor, *others]),
            task_type=chance.choice(["Work", "Noop"]),
            origin=chance.choice(["schedule", "code", "command"]),
            temporary=chance.random() < 0.5,
            resource_id=source,
        )
        if source:
            run.task.resource = {"id": source, "name": "", "kind": ""}
            run.task.save()
        if chance.random() < 0.1:
            TaskStatus.objects.filter(pk=run.pk).update(owner=None)
    everything = me.get(LIST).json()
    mirror = _Mirror(chance, [actor.user.username for actor in (me.actor, *others)])

    for _ in range(60):
        text, fits = mirror.make(3)
        expected = [item["id"] for item in everything if fits(item)]

        answer = find(me, text, more="&count=true")

        assert ids(answer) == expected, text
        assert answer["X-Total-Count"] == str(len(expected)), text
        assert ids(find(me, text, more="&limit=5&offset=3")) == expected[3:8], text
        assert ids(find(me, text, more="&sorters=created&limit=9")) == expected[::-1][:9], text


EVERY_KIND = [
    "",
    "completionStatus isnull",
    'completionStatus eq "ERROR"',
    'completionStatus in ("ERROR","TEMPERROR")',
    'not completionStatus eq "SUCCESS"',
    'type eq "NOOP"',
    'type eq "QUARTZ"',
    'not type eq "WORK"',
    'launcher eq "Bob"',
    'launcher eq "system"',
    'not launcher eq "Bob"',
    'sourceId eq "x"',
    'not sourceId eq "x"',
    'completionStatus eq "ERROR" and type eq "NOOP" and launcher eq "Bob"',
    'completionStatus eq "ERROR" or launcher eq "system" or sourceId eq "x"',
    'not (launcher eq "Bob" and completionStatus eq "SUCCESS")',
]


class TestPlans:
    """A run is found by an index of the list, in the list's order: nothing walks the table."""

    @pytest.mark.parametrize("text", EVERY_KIND)
    @pytest.mark.parametrize("role", ["viewer", "admin"])
    def test_every_look_takes_an_index_of_the_list(self, text: str, role: str) -> None:
        me = Caller(factories.actor(role, username="Bob"))
        runs(me, 3)
        if connection.vendor == "postgresql":
            # Of a small table it would not take any; this asks whether there is one.
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
        query = f"filters={quote(text)}&" if text else ""
        me.get(f"{LIST}?{query}limit=2")

        with CaptureQueriesContext(connection) as queries:
            me.get(f"{LIST}?{query}limit=2")

        for query in [q["sql"] for q in queries if 'FROM "backgroundtasks_taskstatus"' in q["sql"]]:
            plan = _plan(query)
            assert not [line for line in plan if _is_walk(line)], (query, plan)

    def test_what_is_pending_is_an_index_of_its_own(self, me: Caller) -> None:
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL chooses by its statistics")
        with CaptureQueriesContext(connection) as queries:
            me.get("/beta/task-status/pending-tasks")

        assert any("run_list_unfinished" in line for q in queries for line in _plan(q["sql"]))

    def test_of_two_indexes_the_smaller_part_is_read(self, me: Caller) -> None:
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL chooses by its statistics")
        runs(me, 3, state=State.SUCCEEDED)
        runs(me, 1, state=State.FAILED, task_type="Noop")

        plans = {}
        for text in (
            'completionStatus eq "SUCCESS" and type eq "NOOP"',
            'completionStatus eq "ERROR" and type eq "WORK"',
        ):
            with CaptureQueriesContext(connection) as queries:
                find(me, text)
            [plans[text]] = [
                _plan(q["sql"]) for q in queries if "owner" in q["sql"] and "COUNT" not in q["sql"]
            ]

        used = [next(line for line in plan if "run_list" in line) for plan in plans.values()]
        assert "run_list_by_type" in used[0]
        assert "run_list_ended" in used[1]


def _plan(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
        cursor.execute(explain + sql.replace("%", "%%"))
        return [str(row[-1]) for row in cursor.fetchall()]


def _is_walk(line: str) -> bool:
    if connection.vendor == "sqlite":
        # Of subqueries and counted parts, which are as short as the page.
        return line.startswith("SCAN backgroundtasks") or "AUTOMATIC" in line
    return "Seq Scan on backgroundtasks_taskstatus" in line
