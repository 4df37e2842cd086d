"""`/api/search`. Source: contract `enterprise_tester.md`, section 4."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.http import QueryDict
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from backgroundtasks.api import kit
from indexing import search, sources, tql
from indexing.models import Document

#: Name of the index that is searched, and of the one that `Relationships IN {…}` asks.
ENTITIES, RELATIONSHIPS = "entities", "relationships"

#: Bytes of a form; a query of the greatest length, all of it percent-encoded.
_FORM_LIMIT = 12 * tql.MAX_LENGTH


class FormOrJsonParser(BaseParser):
    """A form, as the vendor's clients send a long query, or a JSON object."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Return the members of the form or of the object."""
        kind = (media_type or "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            given: Mapping[str, Any] = kit.parse_object(kit.read_bytes(stream))
            return given
        body = stream.read(_FORM_LIMIT + 1)
        if len(body) > _FORM_LIMIT:
            raise kit.TooLarge(f"The form is larger than {_FORM_LIMIT} bytes.")
        try:
            return QueryDict(body.decode("ascii"), encoding="utf-8").dict()
        except ValueError:
            raise kit.BadRequest("The body is not a form.") from None


class Search(kit.ResourceView):
    """Find entities, or count them."""

    parser_classes = (FormOrJsonParser,)  # type: ignore[assignment] # the base names its own
    write_role = "viewer"  # a POST only asks, at greater length

    def get(self, request: Request) -> kit.Response:
        """Answer the query in the URL."""
        return self._answer(request, request.query_params)

    def post(self, request: Request) -> kit.Response:
        """Answer the query in the body; paging stands in the URL here too."""
        given: dict[str, Any] = dict(request.data)
        return self._answer(request, {**request.query_params.dict(), **given})

    def _answer(self, request: Request, given: Mapping[str, Any]) -> kit.Response:
        _require_searchable(_text(given, "indexName") or ENTITIES)
        grid = _wants_grid(_text(given, "format"))
        zone = _zone(_text(given, "timeZone"))
        account_id = self.actor.account.pk
        try:
            query = tql.parse(_text(given, "tql"))
            if query.aggregates:
                return kit.Response({"Results": search.summarize(account_id, query, zone=zone)})
            found = search.find(account_id, query, zone=zone)
        except tql.QueryInvalid as error:
            raise kit.Refused(str(error)) from None
        wanted = kit.read_slice(request)
        total = found.count()
        page = list(found[wanted.skip : wanted.skip + wanted.top])
        bodies = _representations(request, page)
        shape = _row if grid else _item
        items = [shape(each, bodies[key]) for each in page if (key := _key(each)) in bodies]
        return kit.Response(kit.envelope(items, wanted, total))


class Indexes(kit.ResourceView):
    """Which indexes there are."""

    def get(self, request: Request) -> kit.Response:
        """List them."""
        wanted = kit.read_slice(request)
        items = [_index(request, name) for name in (ENTITIES, RELATIONSHIPS)]
        part = items[wanted.skip : wanted.skip + wanted.top]
        return kit.Response(kit.envelope(part, wanted, len(items)))


class Index(kit.ResourceView):
    """One index."""

    def get(self, request: Request, index_name: str) -> kit.Response:
        """Show it."""
        if index_name.lower() not in {ENTITIES, RELATIONSHIPS}:
            raise kit.NotFound(f"There is no index {index_name!r}.")
        return kit.Response(_index(request, index_name.lower()))


def _index(request: Request, name: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "IsPresentable": name == ENTITIES,
        "SupportedTypes": [source.entity_type for source in sources.all_sources()],
        "Self": kit.link(request, "search-index", index_name=name),
    }


def _text(given: Mapping[str, Any], name: str) -> str:
    """Return a parameter in any letter case; "" without it."""
    value = next((given[key] for key in given if key.lower() == name.lower()), None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise kit.Refused(f"{name} must be a text.")
    return value.strip()


def _require_searchable(name: str) -> None:
    if name.lower() == RELATIONSHIPS:
        raise kit.Refused("The index relationships is searched with Relationships IN { … }.")
    if name.lower() != ENTITIES:
        raise kit.Refused(f"There is no index {name!r}.")


def _wants_grid(name: str) -> bool:
    if name.lower() not in {"", "json", "grid"}:
        raise kit.Refused(f"There is no format {name!r}; there is grid.")
    return name.lower() == "grid"


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def _zone(name: str) -> tzinfo:
    """Return the time zone of a name such as `Europe/Berlin`; UTC without one."""
    if not name:
        return UTC
    known = _zones().get(name.lower())
    if known is None:
        raise kit.Refused(f"There is no time zone {name!r}; take a name such as Europe/Berlin.")
    return ZoneInfo(known)


_Key = tuple[str, UUID]


def _key(document: Document) -> _Key:
    return document.entity_type, document.entity_id


def _representations(request: Request, page: Iterable[Document]) -> dict[_Key, dict[str, Any]]:
    """Return the entities' own representations, those of one type at once."""
    ids: dict[str, list[UUID]] = defaultdict(list)
    for document in page:
        ids[document.entity_type].append(document.entity_id)
    found: dict[_Key, dict[str, Any]] = {}
    for entity_type, wanted in ids.items():
        source = sources.find(entity_type)
        if source is not None:  # its app may have been taken out since it was indexed
            bodies = source.represent(request, wanted)
            found |= {(entity_type, entity_id): body for entity_id, body in bodies.items()}
    return found


def _item(document: Document, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "EntityType": document.entity_type}


def _row(document: Document, body: dict[str, Any]) -> dict[str, Any]:
    at = document.updated_at
    return {
        "Id": str(document.entity_id),
        "Name": document.name,
        "EntityType": document.entity_type.lower(),
        "LastUpdatedAt": None if at is None else kit.moment(at),
        "EditLink": body.get("Self"),
    }
