"""Links of steps and nodes, and what the search index says of them."""

import pytest

from indexing import documents
from indexing.models import Relationship
from tests.support.linking import WORDS, Bench
from tests.support.projects import IncidentFactory
from tickets import places
from tickets.models import Incident

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("word", WORDS)
def test_a_link_relates_as_a_rebuild_would(word: str) -> None:
    bench = Bench()
    failed = bench.failed(word)
    incident = IncidentFactory.create(project=bench.project)
    documents.index(Incident, [incident.pk])
    parameters = failed.handler.validated({**failed.parameters, "Key": "1"})
    place = failed.handler._place(bench.actor.account.pk, parameters)  # type: ignore[attr-defined]
    assert isinstance(place, places.Place)

    first, again = (place.link(incident.pk, incident.account_id) for _ in range(2))

    related = set(Relationship.objects.values_list("type", "source_id", "destination_id"))
    assert related
    assert (first[1], again[1], first[0]) == (True, False, again[0])
    Relationship.objects.all().delete()
    documents.index(Incident, [incident.pk])
    assert set(Relationship.objects.values_list("type", "source_id", "destination_id")) == related


def test_only_what_a_source_declares_is_related() -> None:
    bench = Bench()

    with pytest.raises(ValueError, match="Cousin"):
        documents.relate(
            Incident, [(bench.actor.account.pk, bench.project.pk, "Cousin", bench.project.pk)]
        )
