"""The resources of search, as the OpenAPI document describes them."""

from __future__ import annotations

from backgroundtasks.api import kit
from indexing.api.views import Index, Indexes, Search

_PARAMETERS = {
    "tql": "`Name ~ 'report' AND Status = Failed ORDER BY LastUpdatedAt DESC`.",
    "indexName": "`entities`.",
    "format": "`grid` for rows of five members.",
    "timeZone": "In which days begin: `Europe/Berlin`.",
}
_QUERY = tuple(kit.parameter(name, kit.TEXT, words) for name, words in _PARAMETERS.items())

kit.component(
    "Found",
    {
        **kit.entity({"EntityType": kit.TEXT}),
        "description": "The entity's own representation, or a row of the grid, and its type.",
    },
)
kit.component("Counts", kit.entity({"Results": kit.OBJECT}))
kit.component(
    "SearchIndex",
    kit.entity(
        {
            "IndexName": kit.TEXT,
            "IsPresentable": kit.BOOLEAN,
            "SupportedTypes": kit.array_of(kit.TEXT),
            "Self": kit.URL,
        }
    ),
)

_ANSWER = {200: {"anyOf": [kit.page_of("Found"), kit.ref("Counts")]}}

kit.describe(Search, "get", _ANSWER, query=(*_QUERY, *kit.PAGING))
kit.describe(
    Search,
    "post",
    _ANSWER,
    body={
        "type": "object",
        "properties": {
            name: {**kit.NULLABLE_TEXT, "description": words} for name, words in _PARAMETERS.items()
        },
    },
    body_required=False,
    kinds=("application/json", "application/x-www-form-urlencoded"),
    query=kit.PAGING,
)
kit.describe(Indexes, "get", {200: kit.page_of("SearchIndex")}, query=kit.PAGING)
kit.describe(Index, "get", {200: kit.ref("SearchIndex")})
