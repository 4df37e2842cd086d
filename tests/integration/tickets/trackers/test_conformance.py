"""What every tracker promises, asked of every connector; others look at what was done."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tickets.trackers import Backlink, Capability, Category, Change, Draft, TicketField, errors

if TYPE_CHECKING:
    from tests.support.trackers.place import Place

pytestmark = pytest.mark.django_db

UNUSUAL = "Zahlung über 7 € <b>&amp; 'x'\" *bold* {code} #1 €"


def word() -> str:
    """Return a word that no other ticket has."""
    return f"w{uuid4().hex[:12]}"


def link(**values: object) -> Backlink:
    known = {
        "global_id": f"test:{uuid4()}",
        "url": f"https://tasks.example.org/api/incident/{uuid4()}",
        "title": "Incident 31",
        "summary": "Refund is not rounded",
    }
    return Backlink(**{**known, **values})


class TestLookUp:
    def test_takes_what_people_type_and_paste(self, place: Place) -> None:
        ticket = place.made()

        for spelling in place.spellings(ticket):
            found = place.tracker().look_up(spelling)
            assert (found.id, found.key) == (ticket.id, ticket.key), spelling

    def test_tells_what_the_ticket_is(self, place: Place) -> None:
        summary = f"Rounding {word()}"

        found = place.tracker().look_up(place.made(summary).key)

        assert found.summary == summary
        assert found.status == place.first_status
        assert found.category == Category.OPEN
        assert found.assignee == ""
        assert found.url.startswith(place.connection.base_url)
        assert found.updated_at.utcoffset() == timedelta()

    def test_says_so_when_there_is_none(self, place: Place) -> None:
        with pytest.raises(errors.TicketNotFound):
            place.tracker().look_up(place.unknown_key)

    def test_refuses_what_is_no_key_without_asking(self, place: Place) -> None:
        for text in (*place.wrong_keys, "https://elsewhere.example.org/browse/TST-1", "x" * 5000):
            with pytest.raises((errors.KeyInvalid, errors.TicketElsewhere)):
                place.tracker().parse_key(text)

    def test_finds_it_by_the_trackers_own_id(self, place: Place) -> None:
        ticket = place.made()

        assert place.tracker().read(ticket.id) == ticket

    @pytest.mark.parametrize("ticket_id", ["999999", "0", "-1", "x/../y", "", "9" * 30])
    def test_says_so_when_there_is_no_such_id(self, place: Place, ticket_id: str) -> None:
        with pytest.raises(errors.TicketNotFound):
            place.tracker().read(ticket_id)

    def test_says_so_when_it_was_deleted(self, place: Place) -> None:
        ticket = place.made()
        place.remove(ticket.id)

        with pytest.raises(errors.TicketNotFound):
            place.tracker().read(ticket.id)
        with pytest.raises(errors.TicketNotFound):
            place.tracker().look_up(ticket.key)


class TestSearch:
    def test_finds_words_wherever_they_stand(self, place: Place) -> None:
        first, second = word(), word()
        ticket = place.made(f"{first} of a refund {second}")
        place.made(f"{first} alone")

        found = place.tracker().search(f"{second} {first}")

        assert [one.key for one in found.items] == [ticket.key]
        assert found.cursor is None

    def test_finds_nothing_of_what_there_is_not(self, place: Place) -> None:
        assert place.tracker().search(word()).items == []

    def test_pages_lead_to_everything_once(self, place: Place) -> None:
        shared = word()
        made = {place.made(f"{shared} {number}").key for number in range(3)}

        tracker = place.tracker()
        first = tracker.search(shared, limit=2)
        assert first.cursor
        second = tracker.search(shared, limit=2, cursor=first.cursor)

        assert len(first.items) == 2
        assert {one.key for one in (*first.items, *second.items)} == made
        assert second.cursor is None

    @pytest.mark.parametrize(
        "text", ['"', "\\", "a'b OR 1=1", "%", "text ~ x) OR (", "ü 漢", "&x=1"]
    )
    def test_takes_every_text_for_words(self, place: Place, text: str) -> None:
        place.tracker().search(text)


class TestChoices:
    def test_statuses_are_those_that_a_ticket_can_have(self, place: Place) -> None:
        found = place.tracker().choices(TicketField.STATUS)

        texts = [one.text for one in found]
        assert {place.first_status, place.other_status, place.done_status} <= set(texts)
        assert len(set(texts)) == len(texts)
        assert all(one.id for one in found)

    def test_priorities_and_types_are_the_trackers_own_in_its_order(self, place: Place) -> None:
        tracker = place.tracker()

        priorities = tracker.choices(TicketField.PRIORITY)
        types = tracker.choices(TicketField.TYPE)

        assert tuple(one.text for one in priorities) == place.priorities
        assert tuple(one.text for one in types) == place.types


class TestCreate:
    def test_makes_one_ticket_of_one_mark(self, place: Place) -> None:
        draft = place.draft(f"Once {word()}", description="Steps:\n1. pay")

        first = place.tracker().create(draft)
        second = place.tracker().create(draft)

        assert second.id == first.id
        assert place.count(draft.summary) == 1

    def test_carries_every_character(self, place: Place) -> None:
        summary = f"{UNUSUAL} {word()}"

        ticket = place.made(summary, description=f"{UNUSUAL}\n\nsecond line")

        seen = place.seen(ticket.id)
        assert ticket.summary == seen.summary == summary
        assert UNUSUAL in seen.description
        assert "second line" in seen.description

    def test_refuses_an_empty_summary_and_makes_nothing(self, place: Place) -> None:
        draft = Draft(summary=" ", mark=f"test:{uuid4()}")

        with pytest.raises(errors.ChangeRefused) as refusal:
            place.tracker().create(draft)

        assert list(refusal.value.problems) == ["summary"]


class TestChange:
    def test_does_what_it_says_and_others_see_it(self, place: Place) -> None:
        ticket = place.made()
        summary = f"{UNUSUAL} {word()}"

        changed = place.tracker().change(
            ticket.id,
            Change(summary=summary, status=place.other_status, assignee=place.somebody),
        )

        seen = place.seen(ticket.id)
        assert (seen.summary, seen.status) == (summary, place.other_status)
        assert seen.assignee == place.somebody
        assert (changed.summary, changed.status) == (summary, place.other_status)
        assert changed.assignee == place.somebody

    def test_leaves_alone_what_it_does_not_name(self, place: Place) -> None:
        ticket = place.made()
        tracker = place.tracker()
        tracker.change(ticket.id, Change(assignee=place.somebody))

        changed = tracker.change(ticket.id, Change(status=place.done_status))

        assert changed.summary == ticket.summary
        assert changed.assignee == place.somebody
        assert changed.category == Category.DONE

    def test_gives_it_to_nobody(self, place: Place) -> None:
        ticket = place.made()
        tracker = place.tracker()
        tracker.change(ticket.id, Change(assignee=place.somebody))

        assert tracker.change(ticket.id, Change(assignee="")).assignee == ""
        assert place.seen(ticket.id).assignee == ""

    @pytest.mark.parametrize(
        "wrong", [Change(status="Nonsense"), Change(assignee="nobody-of-this-name")], ids=str
    )
    def test_refuses_what_the_tracker_does_not_know(self, place: Place, wrong: Change) -> None:
        if wrong.assignee and place.connection.kind == "builtin":
            pytest.skip("assignees of the built-in tracker are texts")
        ticket = place.made()
        before = place.seen(ticket.id)

        with pytest.raises(errors.ChangeRefused):
            place.tracker().change(ticket.id, wrong)

        assert place.seen(ticket.id) == before

    def test_does_not_overwrite_what_it_does_not_know(self, place: Place) -> None:
        ticket = place.made()
        tracker = place.tracker()
        newer = tracker.change(ticket.id, Change(status=place.other_status))
        assert newer.version != ticket.version

        with pytest.raises(errors.ChangeConflict):
            tracker.change(ticket.id, Change(summary="Mine"), version=ticket.version)

        assert place.seen(ticket.id).summary == ticket.summary

    def test_says_so_when_there_is_none(self, place: Place) -> None:
        with pytest.raises(errors.TicketNotFound):
            place.tracker().change("999999", Change(summary="Mine"))


class TestComment:
    def test_is_written_once(self, place: Place) -> None:
        ticket = place.made()
        text, mark = f"{UNUSUAL}\n\nsecond line {word()}", f"test:{uuid4()}"

        first = place.tracker().comment(ticket.id, text, mark=mark)
        second = place.tracker().comment(ticket.id, text, mark=mark)

        assert first == second
        [written] = [found for found in place.comments(ticket.id) if UNUSUAL in found]
        assert "second line" in written

    def test_says_so_when_there_is_no_ticket(self, place: Place) -> None:
        with pytest.raises(errors.TicketNotFound):
            place.tracker().comment("999999", "Hello", mark="test:1")


class TestBacklink:
    def test_is_made_once(self, place: Place) -> None:
        ticket = place.made()
        wanted = link()

        first = place.tracker().backlink(ticket.id, wanted)
        second = place.tracker().backlink(ticket.id, wanted)

        assert first == second
        assert place.links(ticket.id).count(wanted.url) == 1

    def test_stays_one_with_another_title(self, place: Place) -> None:
        ticket = place.made()
        wanted = link()
        tracker = place.tracker()
        tracker.backlink(ticket.id, wanted)

        tracker.backlink(ticket.id, link(global_id=wanted.global_id, url=wanted.url, resolved=True))

        assert place.links(ticket.id).count(wanted.url) == 1

    def test_two_of_one_ticket_stand_side_by_side(self, place: Place) -> None:
        ticket = place.made()
        wanted = [link(), link()]

        made = {place.tracker().backlink(ticket.id, one) for one in wanted}

        assert len(made) == 2
        assert {one.url for one in wanted} <= set(place.links(ticket.id))


class TestChanges:
    def test_shows_what_changed_oldest_first(self, place: Place) -> None:
        tracker = place.tracker()
        first, second = place.made(), place.made()
        tracker.comment(first.id, "Newer than the second", mark=f"test:{uuid4()}")
        tracker.change(first.id, Change(status=place.other_status))

        page = tracker.changes(second.updated_at - timedelta(seconds=5))

        keys = [one.key for one in page.items]
        assert {first.key, second.key} <= set(keys)
        moments = [one.updated_at for one in page.items]
        assert moments == sorted(moments)
        assert page.items[keys.index(first.key)].status == place.other_status

    def test_pages_lead_to_everything(self, place: Place) -> None:
        made = [place.made() for _ in range(3)]
        tracker = place.tracker()

        found: list[str] = []
        cursor = None
        for _ in range(50):
            page = tracker.changes(made[0].updated_at, limit=2, cursor=cursor)
            found += [one.key for one in page.items]
            cursor = page.cursor
            if cursor is None:
                break

        assert cursor is None
        assert {one.key for one in made} <= set(found)

    def test_leaves_out_what_is_older(self, place: Place) -> None:
        newest = place.made()

        page = place.tracker().changes(newest.updated_at + timedelta(hours=1))

        assert page.items == []


class TestCheck:
    def test_says_what_works_and_writes_nothing(self, place: Place) -> None:
        ticket = place.made()
        before = (place.seen(ticket.id), place.comments(ticket.id), place.links(ticket.id))

        check = place.tracker().check()

        assert set(check.findings) == set(Capability)
        assert check.works
        assert check.findings[Capability.CREDENTIALS].works
        assert check.findings[Capability.SEARCH].works
        after = (place.seen(ticket.id), place.comments(ticket.id), place.links(ticket.id))
        assert before == after
