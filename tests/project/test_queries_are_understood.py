"""Every query on the page about TQL is what the page says: understood, or refused with that text."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from indexing import conditions, fields, related, search, sources, tql
from indexing.fields import Place
from indexing.tql import parser

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "tql.md").read_text()
QUERIES = [
    line
    for block in re.findall(r"^```tql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def rows(first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is this."""
    table = PAGE.split(f"\n| {first} |", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def ask(text: str) -> None:
    query = tql.parse(text)
    account_id = uuid.uuid4()
    if query.aggregates:
        search.summarize(account_id, query)
    else:
        list(search.find(account_id, query))


def test_the_page_has_queries() -> None:
    assert len(QUERIES) > 15
    assert len(rows("query")) > 5


@pytest.mark.django_db
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_page_is_answered(query: str) -> None:
    ask(query)


@pytest.mark.django_db
@pytest.mark.parametrize("row", rows("query"), ids=lambda row: row[0])
def test_a_wrong_query_is_refused_where_and_how_the_page_says(row: list[str]) -> None:
    query, column, problem = row

    with pytest.raises(tql.QueryInvalid) as refusal:
        ask(query.strip("`"))

    assert refusal.value.position == tql.Position(1, int(column))
    assert refusal.value.problem == problem


def test_the_page_has_every_entity_type_with_its_fields() -> None:
    described = {tuple(names(row[0])): set(names(row[3])) for row in rows("entity type")}

    assert described == {
        (source.entity_type, *source.aliases): set(source.fields)
        for source in sources.all_sources()
    }


def test_the_page_has_every_field_with_its_kind() -> None:
    described = {name: row[1] for row in rows("field") for name in names(row[0])}

    assert described == {field.name: kind(field) for field in fields.all_fields().values()}


def kind(field: fields.Known) -> str:
    by_place = {
        Place.ID: "id",
        Place.ENTITY_TYPE: "type",
        Place.NAME: "words",
        Place.WORDS: "words",
    }
    return by_place.get(field.place) or field.kind.value


def test_the_page_has_the_limits() -> None:
    assert [int(row[0].replace(",", "")) for row in rows("at most")] == [
        parser.MAX_LENGTH,
        parser.MAX_DEPTH,
        parser.MAX_CONDITIONS,
        parser.MAX_VALUES,
        conditions.MAX_MOMENTS,
        conditions.MAX_FIELDS,
        conditions.MAX_PATTERN,
        conditions.MAX_WORDS,
        conditions.MAX_REFERRED,
        search.MAX_GROUPS,
    ]
    assert f"steps, from 1 to {related.MAX_DEPTH}" in PAGE


@pytest.mark.django_db
def test_a_step_has_the_fields_of_the_page() -> None:
    section = PAGE.split("## Relationships\n", 1)[1].split("\n## ", 1)[0]
    described = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)

    with pytest.raises(tql.QueryInvalid) as refusal:
        ask("Relationships IN { Nothing = 1 }")

    listed = refusal.value.problem.rstrip(".").split(", ")
    assert [name for name in listed if name.startswith("Relationship")] == described
