import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from backgroundtasks.exceptions import ParametersInvalid, SubmissionRefused
from backgroundtasks.handlers import Actor, Interrupted, Resource, registry
from backgroundtasks.models import Account, TaskStatus
from indexing import backends, documents
from indexing.handlers.reindex import ENTITIES, OPTIMIZING, QUEUING, RELATIONSHIPS, Reindex
from indexing.models import Document, Rebuild, Relationship
from indexing.rows import MAX_TEXT
from indexing.words import terms
from tests.support.indexing.library import Book, Project, Shelf
from tests.support.indexing.runs import Recorder, context


class Stop(Interrupted):
    pass


def found(account: Account, text: str) -> set[str]:
    match = backends.current().match(terms(text), name_only=False)
    return set(Document.objects.filter(match, account=account).values_list("name", flat=True))


def run(account: Account, recorder: Recorder | None = None, **parameters: Any) -> dict[str, Any]:
    recorder = recorder or Recorder()
    outcome = Reindex().perform(
        context(recorder, account.pk, recorder.memory), Reindex.validated(parameters)
    )
    return dict(outcome.result)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.current(), "BATCH", 10)


@pytest.fixture
def shelf(account: Account) -> Shelf:
    project = Project.objects.create(account_id=account.pk, name="Billing")
    return Shelf.objects.create(project=project, name="Left")


def books(shelf: Shelf, count: int, name: str = "book") -> list[Book]:
    return Book.objects.bulk_create(
        Book(shelf=shelf, name=f"{name} {number}") for number in range(count)
    )


class TestWork:
    def test_fills_an_empty_index(self, account: Account, shelf: Shelf) -> None:
        books(shelf, 35)

        result = run(account)

        assert result == {"Documents": 37, "Removed": 0, "Relationships": 36}
        assert Document.objects.count() == 37
        assert found(account, "34") == {"book 34"}
        assert Relationship.objects.filter(type="StandsOn", destination_id=shelf.pk).count() == 35

    def test_mends_what_was_written_behind_its_back(self, account: Account, shelf: Shelf) -> None:
        stale, kept, *_ = books(shelf, 25)
        documents.index(Book, Book.objects.values_list("pk", flat=True))
        Book.objects.filter(pk=kept.pk).update(name="renamed")
        Book.objects.filter(pk=stale.pk).delete()

        result = run(account)

        assert result["Removed"] == 1
        assert found(account, "renamed") == {"renamed"}
        assert not Document.objects.filter(entity_id=stale.pk).exists()
        assert not Relationship.objects.filter(source_id=stale.pk).exists()

    def test_drops_what_may_not_be_found_any_more(self, account: Account, shelf: Shelf) -> None:
        first, *_ = books(shelf, 3)
        documents.index(Book, Book.objects.values_list("pk", flat=True))
        Book.objects.filter(pk=first.pk).update(hidden=True)

        run(account)

        assert found(account, "book") == {"book 1", "book 2"}

    def test_of_one_project_leaves_the_others_alone(self, account: Account, shelf: Shelf) -> None:
        books(shelf, 3, "mine")
        elsewhere = Project.objects.create(account_id=account.pk, name="Shipping")
        gone = books(Shelf.objects.create(project=elsewhere, name="s"), 2, "theirs")
        documents.index(Book, [book.pk for book in gone])
        Book.objects.filter(pk__in=[book.pk for book in gone]).delete()

        result = run(account, ProjectId=str(shelf.project_id))

        assert result == {"Documents": 5, "Removed": 0, "Relationships": 4}
        assert found(account, "mine") == {"mine 0", "mine 1", "mine 2"}
        assert len(found(account, "theirs")) == 2

    def test_leaves_other_accounts_alone(
        self, account: Account, other_account: Account, shelf: Shelf
    ) -> None:
        books(shelf, 3)
        theirs = Project.objects.create(account_id=other_account.pk, name="Theirs")
        documents.index(Project, [theirs.pk])
        Project.objects.filter(pk=theirs.pk).delete()

        run(account)

        assert found(other_account, "theirs") == {"Theirs"}
        assert found(other_account, "book") == set()

    def test_may_leave_relationships_alone(self, account: Account, shelf: Shelf) -> None:
        books(shelf, 3)

        result = run(account, SkipRelationships=True)

        assert result == {"Documents": 5, "Removed": 0, "Relationships": None}
        assert Relationship.objects.count() == 0

    def test_drops_relationships_that_are_no_more(self, account: Account, shelf: Shelf) -> None:
        first, second = books(shelf, 2)
        Book.objects.filter(pk=first.pk).update(sequel_of=second)
        run(account)
        Book.objects.filter(pk=first.pk).update(sequel_of=None)

        run(account)

        assert not Relationship.objects.filter(type="Continues").exists()

    def test_optimizes(self, account: Account, shelf: Shelf) -> None:
        books(shelf, 30)

        run(account, Optimize=True)

        assert len(found(account, "book")) == 30

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by its statistics")
    def test_leaves_no_statistics_by_which_other_lists_would_be_walked(
        self, account: Account, shelf: Shelf
    ) -> None:
        books(shelf, 30)
        list(TaskStatus.objects.order_by("-position")[:1])

        run(account, Optimize=True)

        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'")
            assert cursor.fetchone() is None

    def test_of_nothing_ends_well(self, account: Account) -> None:
        assert run(account) == {"Documents": 0, "Removed": 0, "Relationships": 0}

    def test_is_kept_for_the_admin(self, account: Account, shelf: Shelf) -> None:
        run(account)
        run(account, Optimize=True)
        run(account, ProjectId=str(shelf.project_id), SkipRelationships=True)

        whole = Rebuild.objects.get(project_id=None)
        assert (whole.documents, whole.relationships, whole.optimized) == (2, 1, True)
        part = Rebuild.objects.get(project_id=shelf.project_id)
        assert (part.documents, part.relationships, part.optimized) == (2, None, False)


class TestLongTexts:
    def test_one_transaction_takes_no_more_of_them_than_is_set(
        self, account: Account, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Here for the numbers in use: a batch of 1,000 would hold SQLite for over a second."""
        backend = backends.current()
        monkeypatch.setattr(backend, "BATCH", 1_000)
        fit = backend.CHARACTERS // MAX_TEXT
        count = 2 * fit + fit // 2
        blurb = ("long " * MAX_TEXT)[: 2 * MAX_TEXT]
        Book.objects.bulk_create(
            Book(shelf=shelf, name=f"book {n}", blurb=blurb) for n in range(count)
        )
        seen: list[int] = []

        def look(_: int) -> None:
            seen.append(Document.objects.filter(entity_type="Book").count())

        result = run(account, Recorder(look))

        steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
        assert max(steps) < fit
        assert sum(steps) == count
        assert len([step for step in steps if step]) == 3
        assert result["Documents"] == count + 2

    def test_one_that_is_longer_than_that_is_taken_alone(
        self, account: Account, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backends.current(), "CHARACTERS", 100)
        Book.objects.bulk_create(
            Book(shelf=shelf, name=f"book {n}", blurb="long " * 50 if n % 2 else "short")
            for n in range(35)
        )

        result = run(account)

        assert result == {"Documents": 37, "Removed": 0, "Relationships": 36}
        assert len(found(account, "long")) == 17
        assert len(found(account, "short")) == 18

    def test_the_next_attempt_goes_on_between_them(
        self, account: Account, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backends.current(), "CHARACTERS", 100)
        Book.objects.bulk_create(
            Book(shelf=shelf, name=f"book {n}", blurb="long " * 50) for n in range(5)
        )
        recorder = Recorder(lambda checkpoint: Stop if checkpoint == 2 else None)

        with pytest.raises(Stop):
            run(account, recorder)
        reached = Document.objects.filter(entity_type="Book").count()
        result = run(account, recorder)

        assert reached == 2
        assert result == {"Documents": 7, "Removed": 0, "Relationships": 6}
        assert len(found(account, "long")) == 5


class TestSearchMeanwhile:
    def test_finds_all_the_time_what_is_there(self, account: Account, shelf: Shelf) -> None:
        books(shelf, 35)
        run(account)
        seen: list[int] = []

        def look(_: int) -> None:
            seen.append(len(found(account, "book")))

        run(account, Recorder(look))

        assert len(seen) > 5
        assert set(seen) == {35}

    def test_finds_what_is_written_meanwhile(self, account: Account, shelf: Shelf) -> None:
        first, *others, last = sorted(books(shelf, 35), key=lambda book: book.pk)
        run(account)

        def write(checkpoint: int) -> None:
            if checkpoint == 2:
                Book.objects.filter(pk__in=[first.pk, last.pk]).update(name="changed")
                documents.index(Book, [first.pk, last.pk])
                Book.objects.filter(pk=others[0].pk).delete()
                documents.remove(Book, [others[0].pk])
                added = Book.objects.create(shelf=shelf, name="added")
                documents.index(Book, [added.pk])

        run(account, Recorder(write))

        assert Document.objects.filter(name="changed").count() == 2
        assert found(account, "added") == {"added"}
        assert not Document.objects.filter(entity_id=others[0].pk).exists()
        assert len(found(account, "book")) == 32


class TestProgress:
    def test_counts_entities_relationships_and_the_optimization(
        self, account: Account, shelf: Shelf
    ) -> None:
        books(shelf, 25)
        recorder = Recorder()

        run(account, recorder, Optimize=True)

        total = 27 + 26 + 1
        assert recorder.shown[0] == (0, 0, QUEUING)
        phases = list(dict.fromkeys(text for _, _, text in recorder.shown))
        assert phases == [QUEUING, ENTITIES, RELATIONSHIPS, OPTIMIZING]
        assert {count for _, count, _ in recorder.shown[1:]} == {total}
        done = [processed for processed, _, _ in recorder.shown]
        assert done == sorted(done)
        assert recorder.context is not None
        assert recorder.context.latest is not None
        assert recorder.context.latest[:2] == (total, total)


class TestInterruption:
    @pytest.mark.parametrize("at", range(1, 10))
    def test_the_next_attempt_goes_on_where_this_one_stopped(
        self, account: Account, shelf: Shelf, at: int
    ) -> None:
        books(shelf, 35)
        recorder = Recorder(lambda checkpoint: Stop if checkpoint == at else None)

        with pytest.raises(Stop):
            run(account, recorder)
        memory = recorder.memory
        result = run(account, recorder)

        assert memory["documents"] + memory["relationships"] > 0
        assert result == {"Documents": 37, "Removed": 0, "Relationships": 36}
        assert Document.objects.count() == 37
        assert Relationship.objects.count() == 36

    def test_after_the_end_of_a_phase_it_is_not_done_again(
        self, account: Account, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        books(shelf, 35)
        recorder = Recorder(lambda checkpoint: Stop if checkpoint == 11 else None)
        with pytest.raises(Stop):
            run(account, recorder)
        assert recorder.memory["phase"] == RELATIONSHIPS
        monkeypatch.setattr("indexing.writing.rebuild_documents", lambda *_: pytest.fail("again"))

        assert run(account, recorder)["Relationships"] == 36


class TestSubmission:
    def actor(self, account: Account) -> Actor:
        return Actor(User(username="kim"), account, "member")

    def test_refuses_a_project_that_is_not_there(self, account: Account) -> None:
        unknown = uuid.uuid4()

        with pytest.raises(SubmissionRefused) as refusal:
            Reindex.check_submission(
                self.actor(account), Reindex.validated({"ProjectId": str(unknown)})
            )

        assert str(refusal.value) == f"The project {unknown} does not exist."

    def test_refuses_the_project_of_another_account(
        self, account: Account, other_account: Account, shelf: Shelf
    ) -> None:
        with pytest.raises(SubmissionRefused):
            Reindex.check_submission(
                self.actor(other_account), Reindex.validated({"ProjectId": str(shelf.project_id)})
            )

    def test_takes_a_project_and_all_projects(self, account: Account, shelf: Shelf) -> None:
        for given in ({}, {"ProjectId": None}, {"ProjectId": str(shelf.project_id).upper()}):
            Reindex.check_submission(self.actor(account), Reindex.validated(given))

    def test_refuses_parameters_that_do_not_fit(self) -> None:
        with pytest.raises(ParametersInvalid):
            Reindex.validated({"Optimize": "perhaps"})
        with pytest.raises(ParametersInvalid):
            Reindex.validated({"ProjectId": "x"})

    def test_works_on_a_project_by_its_name_or_on_nothing_of_its_own(self, shelf: Shelf) -> None:
        project = Reindex.validated({"ProjectId": str(shelf.project_id)})

        assert Reindex.resource(project) == Resource(
            id=str(shelf.project_id), name="Billing", kind="project"
        )
        assert Reindex.resource(Reindex.validated({})) is None

    def test_lets_one_run_of_the_same_thing_at_a_time(self) -> None:
        project = uuid.uuid4()

        assert Reindex.exclusive_key(Reindex.validated({})) == "all projects"
        assert Reindex.exclusive_key(
            Reindex.validated({"ProjectId": str(project), "Optimize": True})
        ) == str(project)

    def test_is_found_by_its_name(self) -> None:
        assert registry.get("reindex") is Reindex
