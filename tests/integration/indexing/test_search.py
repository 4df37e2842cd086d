import uuid
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backgroundtasks.models import Account
from indexing import documents, search, sources, tql
from indexing.tql import Position, QueryInvalid
from tests.support.indexing.library import Book, Project, Shelf

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def library(account: Account) -> Account:
    """Two projects, three shelves and six books."""
    billing = Project.objects.create(account_id=account.pk, name="Billing")
    shipping = Project.objects.create(account_id=account.pk, name="Shipping")
    left = Shelf.objects.create(project=billing, name="Left|Top")
    right = Shelf.objects.create(project=billing, name="Right")
    far = Shelf.objects.create(project=shipping, name="Far")
    refund = Book.objects.create(
        shelf=left,
        name="refund_is_rounded",
        status="Failed",
        pages=90,
        updated_at=datetime(2024, 3, 5, 8, 15, 42, 123_456, tzinfo=UTC),
        bought_at=datetime(2024, 1, 1, tzinfo=UTC),
        blurb="AssertionError: expected 3",
    )
    Book.objects.create(
        shelf=left,
        name="io.olamy.FlakyTest",
        status="Passed",
        pages=200,
        lent=True,
        sequel_of=refund,
        updated_at=datetime(2024, 3, 6, 3, 0, tzinfo=UTC),
        bought_at=datetime(2024, 2, 1, 12, tzinfo=UTC),
    )
    Book.objects.create(shelf=right, name="Élan vital", status="Failed", pages=1000)
    Book.objects.create(shelf=right, name="testFlaky[1]", status="Skipped", pages=None)
    Book.objects.create(
        shelf=far,
        name="Zebra refunds",
        status="Failed",
        pages=11,
        updated_at=datetime(2024, 3, 7, tzinfo=UTC),
    )
    Book.objects.create(shelf=far, name="100% done", status="Échec")
    for model in (Project, Shelf, Book):
        documents.index(model, model.objects.values_list("pk", flat=True))
    return account


def found(account: Account, text: str, **options: Any) -> list[str]:
    query = tql.parse(text)
    return [each.name for each in search.find(account.pk, query, **options)]


def books(account: Account, text: str, **options: Any) -> set[str]:
    names = found(account, text, entity_types=["Book"], **options)
    assert len(names) == len(set(names))
    return set(names)


REFUND, FLAKY, ELAN, TEST, ZEBRA, DONE = ALL = (
    "refund_is_rounded",
    "io.olamy.FlakyTest",
    "Élan vital",
    "testFlaky[1]",
    "Zebra refunds",
    "100% done",
)


class TestCondition:
    @pytest.mark.parametrize(
        "text, names",
        [
            ("", ALL),
            ("refund", {REFUND, ZEBRA}),
            ("Name ~ refund", {REFUND, ZEBRA}),
            ("Name ~ 'refund rounded'", {REFUND}),
            ("Name ~ flaky", {FLAKY, TEST}),
            ("Name ~ FlakyTest", {FLAKY, TEST}),
            ("Name ~ OlamyTest", {FLAKY}),
            ("Name ~ elan", {ELAN}),
            ("Name ~ ÉLAN", {ELAN}),
            ("Name ~ assertionerror", ()),
            ("Text ~ AssertionError", {REFUND}),
            ("assertion", {REFUND}),
            ("Name !~ refund", {FLAKY, ELAN, TEST, DONE}),
            ("Name = 'élan VITAL'", {ELAN}),
            ("Name = elan", ()),
            ("Name IN ('testFlaky[1]', 'elan vital')", {TEST, ELAN}),
            ("Status = failed", {REFUND, ELAN, ZEBRA}),
            ("Status = echec", {DONE}),
            ("Status != failed", {FLAKY, TEST, DONE}),
            ("Status IN (Failed, Skipped)", {REFUND, ELAN, ZEBRA, TEST}),
            ("Status NOT IN (Failed, Skipped)", {FLAKY, DONE}),
            ("Status ~ ail", {REFUND, ELAN, ZEBRA}),
            ("Name ~ 100 AND Status ~ '%'", ()),
            ("Path = 'left|top'", {REFUND, FLAKY}),
            ("Project = Billing", {REFUND, FLAKY, ELAN, TEST}),
            ("Project = 'BILLING' AND Status = Failed", {REFUND, ELAN}),
            ("Project != Billing", {ZEBRA, DONE}),
            ("Project IN (Billing, Shipping)", ALL),
            ("Project ~ bill", {REFUND, FLAKY, ELAN, TEST}),
            ("Project = Nowhere", ()),
            ("Shelf = Right", {ELAN, TEST}),
            ("Shelf ~ left", {REFUND, FLAKY}),
            ("NOT Shelf = Right", {REFUND, FLAKY, ZEBRA, DONE}),
            ("Pages = 90", {REFUND}),
            ("Pages > 90", {FLAKY, ELAN}),
            ("Pages >= 90", {REFUND, FLAKY, ELAN}),
            ("Pages < 90.5", {REFUND, ZEBRA}),
            ("Pages <= 11", {ZEBRA}),
            ("Pages != 90", {FLAKY, ELAN, TEST, ZEBRA, DONE}),
            ("NOT Pages > 90", {REFUND, TEST, ZEBRA, DONE}),
            ("Lent = true", {FLAKY}),
            ("Lent != true", {REFUND, ELAN, TEST, ZEBRA, DONE}),
            ("Status = Failed AND (Pages = 90 OR Project = Shipping)", {REFUND, ZEBRA}),
            ("Status = Failed OR Pages = 200 AND Lent = no", {REFUND, ELAN, ZEBRA}),
            ("NOT (Status = Failed OR Lent = true)", {TEST, DONE}),
            ("EntityType = book", ALL),
            ("EntityType = Shelf", ()),
            ("EntityType = Requirement", ()),
            ("EntityType != Requirement", ALL),
        ],
    )
    def test_finds_what_fits(self, library: Account, text: str, names: set[str]) -> None:
        assert books(library, text) == set(names)

    @pytest.mark.parametrize(
        "text, names",
        [
            ("LastUpdatedAt = 2024-03-05", {REFUND}),
            ("LastUpdatedAt = 2024-03-05T08:15:42Z", {REFUND}),
            ("LastUpdatedAt = 2024-03-05T08:15", {REFUND}),
            ("LastUpdatedAt = '2024-03-05T09:15:42+01:00'", {REFUND}),
            ("LastUpdatedAt = 2024-03-05T08:15:43Z", ()),
            ("LastUpdatedAt > 2024-03-05", {FLAKY, ZEBRA}),
            ("LastUpdatedAt >= 2024-03-05", {REFUND, FLAKY, ZEBRA}),
            ("LastUpdatedAt < 2024-03-06", {REFUND}),
            ("LastUpdatedAt <= 2024-03-06", {REFUND, FLAKY}),
            ("LastUpdatedAt != 2024-03-06", {REFUND, ELAN, TEST, ZEBRA, DONE}),
            ("NOT LastUpdatedAt > 2024-03-05", {REFUND, ELAN, TEST, DONE}),
            ("LastUpdatedAt IN (2024-03-05, 2024-03-07)", {REFUND, ZEBRA}),
            ("BoughtAt = 2024-02-01", {FLAKY}),
            ("BoughtAt <= 2024-01-01T00:00:00Z", {REFUND}),
            ("BoughtAt > 2024-01-01", {FLAKY}),
            ("NOT BoughtAt > 2024-01-01", {REFUND, ELAN, TEST, ZEBRA, DONE}),
        ],
    )
    def test_compares_moments(self, library: Account, text: str, names: set[str]) -> None:
        assert books(library, text) == set(names)

    def test_takes_moments_without_a_zone_in_the_callers(self, library: Account) -> None:
        assert books(library, "LastUpdatedAt = 2024-03-05", zone=NEW_YORK) == {REFUND, FLAKY}
        assert books(library, "LastUpdatedAt > 2024-03-05T22:00", zone=NEW_YORK) == {ZEBRA}

    def test_takes_ids(self, library: Account) -> None:
        book = Book.objects.get(name=REFUND)

        assert books(library, f"Id = {book.pk}") == {REFUND}
        assert books(library, f"Id = '{str(book.pk).upper()}'") == {REFUND}
        assert books(library, f"Id IN ({book.pk}, {uuid.uuid4()})") == {REFUND}
        assert books(library, f"Shelf = {book.shelf_id} AND Id != {book.pk}") == {FLAKY}
        assert books(library, f"Project = '{book.shelf.project_id}'") == {
            REFUND,
            FLAKY,
            ELAN,
            TEST,
        }

    def test_knows_aliases_of_entity_types(self, library: Account) -> None:
        assert found(library, "EntityType = SHELF AND Name ~ far") == ["Far"]
        assert found(library, "EntityType = BookShelf AND Name ~ far") == ["Far"]

    @pytest.mark.parametrize(
        "arguments, names",
        [
            ("Right", ["Right"]),
            ("'RIGHT|inner'", ["Inner"]),
            ("'Right | Inner', Far", ["Far", "Inner"]),
            ("Inner", []),
            ("'Right|Far'", []),
            ("''", []),
        ],
    )
    def test_finds_packages_by_their_path(
        self, library: Account, arguments: str, names: list[str]
    ) -> None:
        right = Shelf.objects.get(name="Right")
        inner = Shelf.objects.create(name="Inner", inside=right, project=right.project)
        documents.index(Shelf, [inner.pk])

        assert found(library, f"Id IN Packages({arguments})") == names

    def test_takes_a_long_list(self, library: Account) -> None:
        many = ", ".join(f"x{number}" for number in range(1_900))

        assert books(library, f"Status IN ({many}, failed)") == {REFUND, ELAN, ZEBRA}
        assert books(library, f"Pages IN ({', '.join(map(str, range(1_900)))})") == {
            REFUND,
            FLAKY,
            ELAN,
            ZEBRA,
        }

    def test_takes_as_many_conditions_as_the_language_allows(self, library: Account) -> None:
        assert books(library, " OR ".join(["Status = Failed"] * 400)) == {REFUND, ELAN, ZEBRA}
        assert books(library, "NOT (" * 30 + "Status = Failed" + ")" * 30) == {
            REFUND,
            ELAN,
            ZEBRA,
        }

    def test_never_leaves_the_account(self, library: Account, other_account: Account) -> None:
        assert found(other_account, "") == []
        assert found(other_account, "Project = Billing") == []
        assert found(other_account, "Name !~ nothing") == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "condition",
    [
        f"LastUpdatedAt IN ({', '.join(f'2{n:03}-01-01' for n in range(100))})",
        f"Components IN ({', '.join(map(str, range(100)))})",
    ],
)
@pytest.mark.parametrize("word", ["AND", "OR"])
def test_long_lists_beside_each_other_are_answered(condition: str, word: str) -> None:
    query = f" {word} ".join([condition] * 40)

    assert list(search.find(uuid.uuid4(), tql.parse(query))) == []


class TestRelationships:
    @pytest.mark.parametrize(
        "text, names",
        [
            ("RelatedToEntityType = Book", {REFUND, FLAKY}),
            ("RelatedToEntityType = Book AND RelatedToStatus = Failed", {FLAKY}),
            ("RelatedToStatus = Passed", {REFUND}),
            ("RelatedToEntityType = Shelf AND RelatedToName ~ far", {ZEBRA, DONE}),
            ("RelatedToEntityType = Project AND RelatedToName = Shipping", {ZEBRA, DONE}),
            (
                "RelatedToEntityType = Project AND RelationshipDepth = 1",
                (),
            ),
            (
                "RelatedToEntityType=Project AND RelationshipDepth <= 2 AND RelatedToName=Shipping",
                {ZEBRA, DONE},
            ),
            ("RelationshipType = continues", {REFUND, FLAKY}),
            ("RelationshipType = continues AND RelationshipDirection = outgoing", {FLAKY}),
            ("RelationshipType = continues AND RelationshipDirection = incoming", {REFUND}),
            ("RelationshipType IN (Continues) AND NOT RelationshipDirection = incoming", {FLAKY}),
            ("RelationshipType = continues OR RelatedToName = Far", {REFUND, FLAKY, ZEBRA, DONE}),
        ],
    )
    def test_finds_what_is_related(self, library: Account, text: str, names: set[str]) -> None:
        assert books(library, f"Relationships IN {{ {text} }}") == set(names)

    def test_go_along_with_other_conditions(self, library: Account) -> None:
        text = "Relationships IN { RelatedToName = Right }"

        assert books(library, f"Status = Failed AND {text}") == {ELAN}
        assert books(library, f"Status = Failed AND NOT {text}") == {REFUND, ZEBRA}
        assert found(library, f"{text} AND EntityType = Project") == ["Billing"]

    def test_do_not_lead_up_and_down_again(self, library: Account) -> None:
        assert books(library, f"Relationships IN {{ RelatedToName = '{TEST}' }}") == set()

    def test_may_stand_in_a_circle(self, library: Account) -> None:
        refund, flaky = Book.objects.get(name=REFUND), Book.objects.get(name=FLAKY)
        Book.objects.filter(pk=refund.pk).update(sequel_of=flaky)
        documents.index(Book, [refund.pk])

        assert books(library, "Relationships IN { RelationshipDepth >= 5 }") == {REFUND, FLAKY}


class TestOrder:
    @pytest.mark.parametrize(
        "text, names",
        [
            ("", [DONE, ELAN, FLAKY, REFUND, TEST, ZEBRA]),
            ("ORDER BY Name DESC", [ZEBRA, TEST, REFUND, FLAKY, ELAN, DONE]),
            ("ORDER BY Pages", [ZEBRA, REFUND, FLAKY, ELAN, DONE, TEST]),
            ("ORDER BY Pages DESC", [ELAN, FLAKY, REFUND, ZEBRA, DONE, TEST]),
            ("ORDER BY LastUpdatedAt DESC", [ZEBRA, FLAKY, REFUND, DONE, ELAN, TEST]),
            ("ORDER BY Status, Name DESC", [DONE, ZEBRA, REFUND, ELAN, FLAKY, TEST]),
            ("ORDER BY Project DESC, Name", [DONE, ZEBRA, ELAN, FLAKY, REFUND, TEST]),
            ("ORDER BY Shelf, Name", [DONE, ZEBRA, FLAKY, REFUND, ELAN, TEST]),
        ],
    )
    def test_is_the_same_everywhere(self, library: Account, text: str, names: list[str]) -> None:
        assert found(library, text, entity_types=["Book"]) == names


class TestSummary:
    def summary(self, account: Account, text: str) -> dict[str, Any]:
        return search.summarize(account.pk, tql.parse(text))

    def test_counts_everything(self, library: Account) -> None:
        assert self.summary(library, "COUNT") == {"COUNT": 11}

    def test_counts_what_fits(self, library: Account) -> None:
        assert self.summary(library, "COUNT AS n WHERE Status = Failed") == {"n": 3}

    def test_groups(self, library: Account) -> None:
        assert self.summary(library, "GROUP BY EntityType { COUNT }") == {
            "GroupByEntityType": {
                "book": {"COUNT": 6},
                "bookshelf": {"COUNT": 3},
                "project": {"COUNT": 2},
            }
        }

    def test_groups_within_groups(self, library: Account) -> None:
        text = (
            "GROUP BY project { COUNT AS all, GROUP BY Status { COUNT } AS States } "
            "WHERE EntityType = Book AND Status != echec"
        )

        assert self.summary(library, text) == {
            "GroupByProject": {
                "Billing": {
                    "all": 4,
                    "States": {
                        "failed": {"COUNT": 2},
                        "passed": {"COUNT": 1},
                        "skipped": {"COUNT": 1},
                    },
                },
                "Shipping": {"all": 1, "States": {"failed": {"COUNT": 1}}},
            }
        }

    def test_groups_by_every_kind(self, library: Account) -> None:
        where = "WHERE EntityType = Book AND Name ~ refund_is"

        for field, name in {
            "Name": REFUND,
            "Pages": "90",
            "Lent": "false",
            "Shelf": "Left|Top",
            "BoughtAt": "2024-01-01T00:00:00",
            "LastUpdatedAt": "2024-03-05T08:15:42.123456",
        }.items():
            assert self.summary(library, f"GROUP BY {field} {{ COUNT }} {where}") == {
                f"GroupBy{field}": {name: {"COUNT": 1}}
            }

    def test_names_the_group_of_those_without_a_value_with_nothing(self, library: Account) -> None:
        found = self.summary(library, "GROUP BY Lent { COUNT }")

        assert found == {
            "GroupByLent": {"": {"COUNT": 5}, "false": {"COUNT": 5}, "true": {"COUNT": 1}}
        }

    def test_of_nothing_is_empty(self, account: Account) -> None:
        assert self.summary(account, "GROUP BY Status { COUNT }, COUNT") == {
            "GroupByStatus": {},
            "COUNT": 0,
        }

    def test_adds_up_projects_of_one_name(self, library: Account) -> None:
        twin = Project.objects.create(account_id=library.pk, name="Billing")
        documents.index(Project, [twin.pk])

        found = self.summary(library, "GROUP BY Project { COUNT } WHERE EntityType = Project")

        assert found == {"GroupByProject": {"Billing": {"COUNT": 2}, "Shipping": {"COUNT": 1}}}

    def test_refuses_too_many_groups(
        self, library: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "MAX_GROUPS", 2)

        with pytest.raises(QueryInvalid) as refusal:
            self.summary(library, "GROUP BY Name { COUNT }")

        assert refusal.value.problem == "it has more than 2 groups."


class TestRefusal:
    NAMES = (
        "Id, Name, Text, EntityType, Project, LastUpdatedAt, BoughtAt, Lent, Package, Pages, Path, "
        "Shelf, Status"
    )

    @pytest.mark.parametrize(
        "text, column, problem",
        [
            ("Nmae = x", 1, f"there is no field Nmae; there are {NAMES}, Relationships."),
            ("a=b", 1, f"there is no field a; there are {NAMES}, Relationships."),
            (
                "Name = x ORDER BY Foo",
                19,
                f"there is no field Foo; there are {NAMES}, Relationships.",
            ),
            ("Name > x", 1, "Name cannot be compared with >."),
            ("Project < x", 1, "Project cannot be compared with <."),
            ("Id ~ x", 1, "Id cannot be searched with ~."),
            ("Pages ~ 3", 1, "Pages cannot be searched with ~."),
            ("Text = x", 1, "Text can only be searched with ~."),
            ("Id = x", 6, "x is no id."),
            ("Pages = many", 9, "many is no number."),
            ("Pages = nan", 9, "nan is no number."),
            ("Lent = perhaps", 8, "perhaps is neither true nor false."),
            (
                "LastUpdatedAt > soon",
                17,
                "soon is no moment such as 2024-03-05 or 2024-03-05T08:15:42Z.",
            ),
            (
                "LastUpdatedAt > 9999-12-31",
                17,
                "9999-12-31 is no moment such as 2024-03-05 or 2024-03-05T08:15:42Z.",
            ),
            ("Name ~ '!!'", 8, "there is no word to search for."),
            ("'!!'", 1, "there is no word to search for."),
            ("Text ~ '" + "x1 " * 60 + " y'", None, None),
            (
                "Text ~ '" + " ".join(f"w{n}" for n in range(60)) + "'",
                8,
                "there are more than 50 words.",
            ),
            ("Id IN Users(x)", 7, "there is no function Users for Id."),
            ("Status IN Packages(x)", 11, "there is no function Packages for Status."),
            ("Relationships = x", 1, "Relationships is followed by IN { … }."),
            ("Status IN { RelatedToName = x }", 1, "only Relationships is followed by IN { … }."),
            ("Text ~ x ORDER BY Text", 19, "Text has no order."),
            ("GROUP BY Text { COUNT }", 10, "Text has no groups."),
            ("COUNT ORDER BY Name", 16, "groups come in the order of their names."),
            (
                "Relationships IN { RelationshipType ~ x }",
                20,
                "RelationshipType cannot be compared with ~.",
            ),
            ("Relationships IN { RelationshipDepth = x }", 40, "x is no number."),
        ],
    )
    def test_says_where_and_why(
        self, library: Account, text: str, column: int | None, problem: str | None
    ) -> None:
        if problem is None:
            assert found(library, text) == []
            return
        assert column is not None
        query = tql.parse(text)

        with pytest.raises(QueryInvalid) as refusal:
            (search.summarize if query.aggregates else search.find)(library.pk, query)

        assert refusal.value.problem == problem
        assert refusal.value.position == Position(1, column)

    def test_of_a_field_inside_relationships_lists_those_that_fit_there(
        self, library: Account
    ) -> None:
        with pytest.raises(QueryInvalid) as refusal:
            search.find(library.pk, tql.parse("Relationships IN { Status = Open }"))

        assert refusal.value.problem.startswith("there is no field Status; there are RelatedToId, ")
        assert refusal.value.problem.endswith(
            "RelatedToStatus, RelationshipType, RelationshipDirection, RelationshipDepth."
        )


def test_a_source_cannot_give_a_known_field_another_kind(registered: None) -> None:
    class Odd(documents.DocumentSource):
        entity_type = "Odd"
        model = Book
        fields = {"STATUS": documents.number("pages")}

    with pytest.raises(Exception, match="The field STATUS of Odd is a number; that of Book is a"):
        sources.register(Odd())
