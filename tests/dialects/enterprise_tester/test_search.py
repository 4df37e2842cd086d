"""`/api/search`: TQL in, the entities' own representations out."""

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from backgroundtasks.models import Account
from indexing import documents
from tests.support import factories
from tests.support.http import Caller
from tests.support.indexing.fixtures import account, library_tables, registered  # noqa: F401
from tests.support.indexing.library import Book, Project, Shelf

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def caller(account: Account) -> Caller:  # noqa: F811 - a fixture
    return Caller(factories.actor(account=account))


@pytest.fixture
def book(account: Account) -> Book:  # noqa: F811 - a fixture
    project = Project.objects.create(account_id=account.pk, name="Billing")
    shelf = Shelf.objects.create(project=project, name="Left")
    for number in range(30):
        Book.objects.create(shelf=shelf, name=f"case {number:02}", status="Passed")
    found = Book.objects.create(
        shelf=shelf,
        name="refund_is_rounded",
        status="Failed",
        updated_at=datetime(2024, 3, 5, 8, 15, 42, 999_999, tzinfo=UTC),
    )
    for model in (Project, Shelf, Book):
        documents.index(model, model.objects.values_list("pk", flat=True))
    return found


def search(caller: Caller, tql: str, **parameters: Any) -> Any:
    return caller.get("/api/search?" + urlencode({"tql": tql, **parameters}))


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [item["Name"] for item in answer.json()["Items"]]


class TestItems:
    @pytest.mark.spec("enterprise_tester", "Search", "Items")
    def test_are_the_entities_own_representations_with_their_type(
        self, caller: Caller, book: Book
    ) -> None:
        answer = search(caller, "Name ~ refund")

        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/json; charset=utf-8"
        assert answer.json() == {
            "Skip": 0,
            "Top": 25,
            "Total": 1,
            "Items": [
                {
                    "Id": str(book.pk),
                    "Name": "refund_is_rounded",
                    "Self": f"http://testserver/api/book/{book.pk}",
                    "EntityType": "Book",
                }
            ],
        }

    @pytest.mark.spec("enterprise_tester", "Search", "Grid")
    def test_of_a_grid_are_rows(self, caller: Caller, book: Book) -> None:
        answer = search(caller, "Name ~ refund", format="grid")

        assert answer.json()["Items"] == [
            {
                "Id": str(book.pk),
                "Name": "refund_is_rounded",
                "EntityType": "book",
                "LastUpdatedAt": "2024-03-05T08:15:42Z",
                "EditLink": f"http://testserver/api/book/{book.pk}",
            }
        ]

    def test_of_several_types_come_in_one_order(self, caller: Caller, book: Book) -> None:
        answer = search(caller, "Name IN (Billing, Left, refund_is_rounded) ORDER BY Name")

        assert [item["EntityType"] for item in answer.json()["Items"]] == [
            "Project",
            "BookShelf",
            "Book",
        ]

    def test_that_are_gone_are_left_out(self, caller: Caller, book: Book) -> None:
        Book.objects.filter(pk=book.pk).delete()

        assert names(search(caller, "refund")) == []

    def test_of_another_account_are_never_found(self, book: Book) -> None:
        stranger = Caller()

        assert names(search(stranger, "refund")) == []
        assert search(stranger, "COUNT").json() == {"Results": {"COUNT": 0}}


class TestPaging:
    def test_has_25_items_unless_asked_otherwise(self, caller: Caller, book: Book) -> None:
        body = search(caller, "EntityType = Book").json()

        assert (body["Skip"], body["Top"], body["Total"]) == (0, 25, 31)
        assert len(body["Items"]) == 25

    @pytest.mark.parametrize("top", ["$top", "$take"])
    def test_skips_and_takes(self, caller: Caller, book: Book, top: str) -> None:
        found = search(caller, "case", **{"$skip": 28, top: 5, "$inlinecount": "allpages"})

        assert names(found) == ["case 28", "case 29"]
        assert found.json()["Total"] == 30

    @pytest.mark.parametrize(
        "parameters", [{"$top": "x"}, {"$skip": "-1"}, {"$inlinecount": "some"}]
    )
    def test_refuses_what_is_no_number(
        self, caller: Caller, book: Book, parameters: dict[str, str]
    ) -> None:
        answer = search(caller, "case", **parameters)

        assert answer.status_code == 403
        assert set(answer.json()) == {"Message"}


class TestAggregates:
    @pytest.mark.spec("enterprise_tester", "Search", "Aggregates")
    def test_nest(self, caller: Caller, book: Book) -> None:
        answer = search(caller, "GROUP BY Project { GROUP BY EntityType { COUNT } }")

        assert answer.json() == {
            "Results": {
                "GroupByProject": {
                    "Billing": {
                        "GroupByEntityType": {
                            "book": {"COUNT": 31},
                            "bookshelf": {"COUNT": 1},
                            "project": {"COUNT": 1},
                        }
                    }
                }
            }
        }

    def test_take_names_and_a_condition(self, caller: Caller, book: Book) -> None:
        answer = search(
            caller, 'GROUP BY Status { COUNT AS "how many" } AS States WHERE EntityType = Book'
        )

        assert answer.json()["Results"] == {
            "States": {"failed": {"how many": 1}, "passed": {"how many": 30}}
        }


class TestPost:
    @pytest.mark.spec("enterprise_tester", "Search", "POST")
    def test_takes_a_form(self, caller: Caller, book: Book) -> None:
        many = " OR ".join(["Name = nothing"] * 300)
        form = urlencode({"tql": f"{many} OR Name ~ refund", "timeZone": "Europe/Berlin"})

        answer = caller.post("/api/search/?$top=3", form, kind=FORM)

        assert names(answer) == ["refund_is_rounded"]
        assert answer.json()["Top"] == 3

    def test_takes_a_form_in_any_language(self, caller: Caller, book: Book) -> None:
        Book.objects.filter(pk=book.pk).update(name="Überprüfung")
        documents.index(Book, [book.pk])

        assert names(caller.post("/api/search", f"tql={quote('überprüfung')}", kind=FORM)) == [
            "Überprüfung"
        ]

    def test_takes_an_object(self, caller: Caller, book: Book) -> None:
        answer = caller.post("/api/search", {"tql": "refund", "format": "grid", "Extra": []})

        assert answer.json()["Items"][0]["EntityType"] == "book"

    def test_may_be_done_by_a_viewer(self, account: Account, book: Book) -> None:  # noqa: F811
        viewer = Caller(factories.actor("viewer", account=account))

        assert names(viewer.post("/api/search", "tql=refund", kind=FORM)) == ["refund_is_rounded"]

    @pytest.mark.parametrize(
        "body, kind, status",
        [
            (b"tql=\xff", FORM, 400),
            ("tql=" + "x" * 800_000, FORM, 413),
            ("{", "application/json", 400),
            ("[]", "application/json", 400),
            ({"tql": 3}, "application/json", 403),
            ("<tql/>", "text/xml", 415),
        ],
    )
    def test_refuses_another_body(
        self, caller: Caller, book: Book, body: Any, kind: str, status: int
    ) -> None:
        answer = caller.post("/api/search", body, kind=kind)

        assert answer.status_code == status
        assert set(answer.json()) == {"Message"}


class TestRefusal:
    @pytest.mark.parametrize(
        "tql, message",
        [
            (
                "Name ~",
                (
                    "The query is not valid at line 1, column 7: "
                    "expected a value, but the query ends here."
                ),
            ),
            (
                "Nmae ~ x",
                (
                    "The query is not valid at line 1, column 1: there is no field Nmae; there are Id, "
                    "Name, Text, EntityType, Project, LastUpdatedAt, BoughtAt, Lent, Package, Pages, Path, "
                    "Shelf, Status, Relationships."
                ),
            ),
            (
                "Status = a\nAND Id = 3",
                "The query is not valid at line 2, column 10: 3 is no id.",
            ),
            (
                "GROUP BY Colour { COUNT }",
                (
                    "The query is not valid at line 1, column 10: there is no field Colour; there are "
                    "Id, Name, Text, EntityType, Project, LastUpdatedAt, BoughtAt, Lent, Package, Pages, Path, "
                    "Shelf, Status, Relationships."
                ),
            ),
            (
                "a\0b",
                "The query is not valid at line 1, column 2: the character U+0000 is not allowed.",
            ),
        ],
    )
    def test_of_a_query_says_where(
        self, caller: Caller, book: Book, tql: str, message: str
    ) -> None:
        answer = search(caller, tql)

        assert answer.status_code == 403
        assert answer.json() == {"Message": message}

    @pytest.mark.parametrize(
        "parameters, message",
        [
            (
                {"timeZone": "Mars/Olympus"},
                "There is no time zone 'Mars/Olympus'; take a name such as Europe/Berlin.",
            ),
            ({"format": "extjstree"}, "There is no format 'extjstree'; there is grid."),
            ({"indexName": "books"}, "There is no index 'books'."),
            (
                {"indexName": "relationships"},
                "The index relationships is searched with Relationships IN { … }.",
            ),
        ],
    )
    def test_of_a_parameter_says_which(
        self, caller: Caller, book: Book, parameters: dict[str, str], message: str
    ) -> None:
        answer = search(caller, "refund", **parameters)

        assert answer.status_code == 403
        assert answer.json() == {"Message": message}

    def test_of_a_stranger_is_401(self, book: Book) -> None:
        nobody = Caller(authorization="Bearer wrong")

        assert search(nobody, "refund").status_code == 401

    def test_of_another_method_is_405(self, caller: Caller) -> None:
        answer = caller.call("DELETE", "/api/search")

        assert answer.status_code == 405
        assert {"GET", "POST"} <= set(answer["Allow"].split(", "))


class TestPaths:
    @pytest.mark.parametrize("path", ["/api/search", "/api/search/", "/API/Search", "/Api/SEARCH/"])
    def test_may_have_any_case_and_a_slash(self, caller: Caller, book: Book, path: str) -> None:
        assert names(caller.get(f"{path}?tql=refund")) == ["refund_is_rounded"]

    def test_stand_in_the_root_resource(self, caller: Caller) -> None:
        links = {each["Rel"]: each for each in caller.get("/api/").json()["Links"]}

        assert links["Search"]["Href"] == "http://testserver/api/search"
        assert links["Search"]["SupportedHttpMethods"] == ["GET", "POST"]
        assert links["Search"]["SupportsTQL"] is True

    def test_without_a_query_find_everything(self, caller: Caller, book: Book) -> None:
        assert caller.get("/api/search").json()["Total"] == 33


class TestTimeZone:
    def test_is_where_a_day_begins(self, caller: Caller, book: Book) -> None:
        tql = "LastUpdatedAt = 2024-03-04"

        assert names(search(caller, tql)) == []
        assert names(search(caller, tql, timeZone="pacific/honolulu")) == ["refund_is_rounded"]


class TestIndexes:
    @pytest.mark.spec("enterprise_tester", "Search", "Indexes")
    def test_are_two(self, caller: Caller) -> None:
        body = caller.get("/api/search/indexes").json()

        assert [item["IndexName"] for item in body["Items"]] == ["entities", "relationships"]
        assert body["Items"][0] == {
            "IndexName": "entities",
            "IsPresentable": True,
            "SupportedTypes": ["Book", "BookShelf", "Project"],
            "Self": "http://testserver/api/search/index/entities",
        }

    def test_can_be_read_one_by_one(self, caller: Caller) -> None:
        assert caller.get("/api/search/index/Relationships/").json() == {
            "IndexName": "relationships",
            "IsPresentable": False,
            "SupportedTypes": ["Book", "BookShelf", "Project"],
            "Self": "http://testserver/api/search/index/relationships",
        }

    def test_of_another_name_are_not_there(self, caller: Caller) -> None:
        answer = caller.get("/api/search/index/other")

        assert answer.status_code == 404
        assert answer.json() == {"Message": "There is no index 'other'."}


class TestReindex:
    @pytest.mark.spec("enterprise_tester", "Background Tasks", "Reindex")
    def test_can_be_started_for_a_project(self, caller: Caller, book: Book) -> None:
        answer = caller.post(
            "/api/backgroundtasks",
            {
                "Type": "Reindex",
                "Parameters": {
                    "Optimize": True,
                    "ProjectId": str(book.shelf.project_id).upper(),
                    "SkipRelationships": False,
                },
            },
        )

        assert answer.status_code == 202
        assert answer.json()["Id"].startswith("reindex-")

    def test_of_an_unknown_project_is_refused(self, caller: Caller, book: Book) -> None:
        unknown = uuid.uuid4()

        answer = caller.post(
            "/api/backgroundtasks",
            {"Type": "Reindex", "Parameters": {"ProjectId": str(unknown)}},
        )

        assert answer.status_code == 403
        assert answer.json() == {"Message": f"The project {unknown} does not exist."}
