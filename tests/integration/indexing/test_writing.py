import uuid
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from backgroundtasks.models import Account
from indexing import backends, documents
from indexing.models import Document, Relationship
from indexing.words import fold, terms
from tests.support.indexing.library import Book, Project, Shelf


def found(account: Account, text: str, *, name_only: bool = False) -> set[str]:
    match = backends.current().match(terms(text), name_only=name_only)
    return set(Document.objects.filter(match, account=account).values_list("name", flat=True))


@pytest.fixture
def shelf(account: Account) -> Shelf:
    project = Project.objects.create(account_id=account.pk, name="Billing")
    return Shelf.objects.create(project=project, name="Top left")


class TestIndex:
    def test_stores_what_the_source_declares(self, account: Account, shelf: Shelf) -> None:
        book = Book.objects.create(
            shelf=shelf,
            name="Élan vital",
            status="Re Opened",
            pages=320,
            lent=True,
            bought_at=datetime(2024, 3, 5, 8, 15, 42, 500_000, tzinfo=UTC),
            updated_at=datetime(2024, 3, 6, tzinfo=UTC),
        )

        documents.index(Book, [book.pk])

        stored = Document.objects.get()
        assert stored.account == account
        assert stored.entity_type == "Book"
        assert stored.entity_id == book.pk
        assert stored.project_id == shelf.project_id
        assert stored.name == "Élan vital"
        assert stored.name_key == "elan vital"
        assert stored.updated_at == book.updated_at
        assert stored.fields == {
            "status": "re opened",
            "shelf": shelf.pk.hex,
            "package": shelf.pk.hex,
            "path": "top left",
            "pages": "320",
            "lent": "true",
            "boughtat": "2024-03-05T08:15:42.5",
        }

    @pytest.mark.parametrize(
        "name",
        [
            'say "no"',
            "back\\slash\\",
            "{a,b}",
            "NULL",
            "it's",
            "two\nlines",
            "50 %",
            "%s",
            " ",
            "𝄞 é",
        ],
    )
    def test_stores_every_text_as_it_is(self, shelf: Shelf, name: str) -> None:
        books = [Book.objects.create(shelf=shelf, name=name, status=name) for _ in range(2)]
        Book.objects.filter(pk=books[1].pk).update(status="other", updated_at=None)

        documents.index(Book, [book.pk for book in books])

        assert list(Document.objects.values_list("name", flat=True)) == [name, name]
        assert Document.objects.filter(fields__status=fold(name)).count() == 1

    def test_stores_nothing_where_the_entity_has_nothing(self, shelf: Shelf) -> None:
        book = Book.objects.create(shelf=shelf, name="")

        documents.index(Book, [book.pk])

        stored = Document.objects.get()
        assert stored.name == ""
        assert stored.updated_at is None
        assert stored.fields["pages"] is None
        assert stored.fields["boughtat"] is None

    def test_makes_every_word_found(self, account: Account, shelf: Shelf) -> None:
        book = Book.objects.create(
            shelf=shelf, name="io.olamy.FlakyTest", blurb="it's a 'quoted' & (odd) | text:*\n2nd"
        )

        documents.index(Book, [book.pk])

        for text in ("flaky", "OLAMY", "FlakyTest", "quoted", "2nd", "odd text", "left"):
            assert found(account, text) == {book.name}, text
        assert found(account, "flaky", name_only=True) == {book.name}
        assert found(account, "quoted", name_only=True) == set()
        assert found(account, "missing") == set()

    def test_replaces_what_was_stored(self, account: Account, shelf: Shelf) -> None:
        book = Book.objects.create(shelf=shelf, name="old")
        documents.index(Book, [book.pk])

        Book.objects.update(name="new")
        documents.index(Book, [book.pk])

        assert found(account, "new") == {"new"}
        assert found(account, "old") == set()
        assert Document.objects.count() == 1

    def test_drops_what_may_not_be_found_any_more(self, account: Account, shelf: Shelf) -> None:
        book = Book.objects.create(shelf=shelf, name="seen")
        documents.index(Book, [book.pk])

        Book.objects.update(hidden=True)
        documents.index(Book, [book.pk])

        assert Document.objects.count() == 0
        assert Relationship.objects.count() == 0
        assert words_kept() == 0

    def test_is_undone_with_its_transaction(self, account: Account, shelf: Shelf) -> None:
        book = Book.objects.create(shelf=shelf, name="never")

        with transaction.atomic():
            documents.index(Book, [book.pk])
            transaction.set_rollback(True)

        assert found(account, "never") == set()
        assert Document.objects.count() == 0

    def test_takes_more_than_one_chunk(self, account: Account, shelf: Shelf) -> None:
        books = Book.objects.bulk_create(
            Book(shelf=shelf, name=f"book {number}") for number in range(1_203)
        )

        documents.index("book", [book.pk for book in books])

        assert Document.objects.count() == 1_203
        assert found(account, "1202") == {"book 1202"}

    def test_keeps_relationships_as_they_are_in_the_database(self, shelf: Shelf) -> None:
        first, second = (Book.objects.create(shelf=shelf, name=name) for name in "ab")
        Book.objects.filter(pk=second.pk).update(sequel_of=first)
        documents.index(Book, [first.pk, second.pk])
        Book.objects.filter(pk=second.pk).update(sequel_of=None)
        Book.objects.filter(pk=first.pk).update(sequel_of=second)

        documents.index(Book, [first.pk, second.pk])

        assert set(Relationship.objects.values_list("type", "source_id", "destination_id")) == {
            ("StandsOn", first.pk, shelf.pk),
            ("StandsOn", second.pk, shelf.pk),
            ("Continues", first.pk, second.pk),
        }


class TestIndexBatches:
    def test_indexes_what_the_lookup_finds(
        self, account: Account, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backends.current(), "BATCH", 10)
        Book.objects.bulk_create(Book(shelf=shelf, name=f"in {number}") for number in range(25))
        other = Shelf.objects.create(project=shelf.project, name="Other")
        Book.objects.create(shelf=other, name="out")

        counts = list(documents.index_batches(Book, shelf_id=shelf.pk))

        assert counts == [10, 10, 5]
        assert len(found(account, "in")) == 25
        assert found(account, "out") == set()
        assert Relationship.objects.count() == 25

    def test_takes_fewer_where_texts_are_long(
        self, account: Account, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backends.current(), "CHARACTERS", 1_000)
        Book.objects.bulk_create(Book(shelf=shelf, name="b", blurb="x" * 400) for _ in range(5))

        assert list(documents.index_batches(Book, shelf_id=shelf.pk)) == [2, 2, 1]

        assert Document.objects.count() == 5
        assert Relationship.objects.count() == 5

    def test_undoes_a_batch_that_the_database_refuses(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its parts are sent ahead on PostgreSQL: the refusal comes late, but it comes."""
        monkeypatch.setattr(backends.current(), "PART", 2)
        monkeypatch.setattr("indexing.rows.fold_all", lambda texts: [None for _ in texts])
        Shelf.objects.bulk_create(Shelf(project=shelf.project, name=f"s {n}") for n in range(5))

        with pytest.raises(IntegrityError):
            list(documents.index_batches(Shelf, project_id=shelf.project_id))

        assert Document.objects.count() == 0


class TestRemove:
    def test_drops_documents_words_and_relationships(self, account: Account, shelf: Shelf) -> None:
        stays, goes = (Book.objects.create(shelf=shelf, name=name) for name in ("stays", "goes"))
        Book.objects.filter(pk=stays.pk).update(sequel_of=goes)
        documents.index(Book, [stays.pk, goes.pk])

        documents.remove(Book, [goes.pk, uuid.uuid4()])

        assert found(account, "goes") == set()
        assert found(account, "stays") == {"stays"}
        assert words_kept() == 1
        assert set(Relationship.objects.values_list("source_id", "destination_id")) == {
            (stays.pk, shelf.pk)
        }

    def test_in_batches_drops_what_the_lookup_finds(self, account: Account, shelf: Shelf) -> None:
        books = Book.objects.bulk_create(
            Book(shelf=shelf, name=f"book {number}") for number in range(7)
        )
        documents.index(Book, [book.pk for book in books])
        documents.index(Project, [shelf.project_id])

        assert sum(documents.remove_batches(Book, project_id=shelf.project_id)) == 7

        assert set(Document.objects.values_list("entity_type", flat=True)) == {"Project"}


def test_words_go_with_the_account(account: Account, shelf: Shelf) -> None:
    book = Book.objects.create(shelf=shelf, name="gone")
    documents.index(Book, [book.pk])

    account.delete()

    assert Document.objects.count() == 0
    assert words_kept() == 0


def words_kept() -> int:
    if connection.vendor == "postgresql":
        return Document.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM indexing_words")
        (count,) = cursor.fetchone()
    return int(count)
