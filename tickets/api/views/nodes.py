"""`/api/automatedtestrun/{id}/nodes`, `…/node/{id}` and its `children`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from backgroundtasks.api import kit
from indexing import documents
from tickets.api import lookup, representations
from tickets.api.serializers import NodeWrite
from tickets.models import ResultNode
from tickets.results.node import Status

if TYPE_CHECKING:
    from rest_framework.request import Request

_ROOT: Final = UUID(int=0)
#: Rows that are held in memory at a time; each may have 64 KB of text.
_BATCH: Final = 200
#: Bytes of JSON that are sent at a time.
_CHUNK: Final = 64 * 1024
#: What `status` may say -> which nodes.
_STATUSES: Final = {
    **{status.lower(): Q(status=status) for status in Status},
    "warning": Q(is_flaky=True),
}


class RootNodes(kit.ResourceView):
    """The nodes at the root of a run."""

    def get(self, request: Request, run_id: UUID) -> StreamingHttpResponse:
        """Return a plain array of nodes."""
        nodes = lookup.nodes(self.actor, run_id).filter(parent=None)
        return _array(request, nodes)


class NodeById(kit.ResourceView):
    """One node."""

    def get(
        self, request: Request, run_id: UUID, node_id: UUID
    ) -> kit.Response | StreamingHttpResponse:
        """Return the node; its children are as many as there are."""
        row = lookup.get(lookup.nodes(self.actor, run_id), node_id, "result node")
        expands = kit.expansions(request, representations.NODE_EXPANDS)
        if "Children" in expands:
            return _streamed(chain.from_iterable(_with_children(request, [row], expands)))
        return kit.Response(representations.node(request, row, expands))

    def patch(self, request: Request, run_id: UUID, node_id: UUID) -> kit.Response:
        """Change the notes; `Notes` in any letter case, everything else is ignored."""
        given = {name.lower(): value for name, value in dict(request.data).items()}
        if not isinstance(given.get("notes", ""), str | None):
            raise kit.BadRequest("The member Notes must be a text.")
        notes = NodeWrite(data={"Notes": given["notes"]} if "notes" in given else {})
        notes.is_valid(raise_exception=True)
        with lookup.held(lookup.nodes(self.actor, run_id), node_id, "result node") as row:
            row.notes = notes.validated_data["Notes"]
            row.save(update_fields=["notes"])
            documents.index(ResultNode, [row.pk])
        return kit.Response(representations.node(request, row, frozenset()))


class NodeChildren(kit.ResourceView):
    """The nodes in a node."""

    def get(self, request: Request, run_id: UUID, node_id: UUID) -> StreamingHttpResponse:
        """Return a plain array of nodes; the id of zeros stands for the root."""
        nodes = lookup.nodes(self.actor, run_id)
        wanted = _status(request)
        parent = None
        if node_id != _ROOT:
            parent = lookup.get(nodes.only("pk"), node_id, "result node")
        return _array(request, nodes.filter(wanted, parent=parent))


def _status(request: Request) -> Q:
    """
    Return the condition of `status`: one or more words with commas, in any letter case.

    Raises:
        BadRequest: there is no such status.
    """
    wanted = Q()
    for word in filter(None, request.query_params.get("status", "").split(",")):
        condition = _STATUSES.get(word.strip().lower())
        if condition is None:
            known = ", ".join([*Status, "Warning"])
            raise kit.BadRequest(f"There is no status {word.strip()[:50]!r}; there are {known}.")
        wanted |= condition
    return wanted


#: One JSON object, in pieces.
_Pieces = Iterable[bytes]


def _array(request: Request, nodes: QuerySet[ResultNode]) -> StreamingHttpResponse:
    """Answer with all of the nodes in the order of their report, however many there are."""
    expands = kit.expansions(request, representations.NODE_EXPANDS)
    whole = _with_children if "Children" in expands else _objects
    return _streamed(_bracketed(whole(request, _in_batches(nodes), expands)))


def _in_batches(nodes: QuerySet[ResultNode]) -> Iterator[ResultNode]:
    """Yield nodes in order, by queries that end: a slow client must not hold a cursor open."""
    after = -1
    while batch := list(nodes.filter(position__gt=after).order_by("position")[:_BATCH]):
        yield from batch
        after = batch[-1].position


def _objects(
    request: Request, rows: Iterable[ResultNode], expands: frozenset[str]
) -> Iterator[_Pieces]:
    for row in rows:
        yield (_dumped(request, row, expands),)


def _with_children(
    request: Request, rows: Iterable[ResultNode], expands: frozenset[str]
) -> Iterator[_Pieces]:
    """
    Yield each node with its children; each must be used up before the next is asked for.

    It takes a query for each batch of nodes.
    """
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        children = lookup.marked(
            ResultNode.objects.filter(run_id=batch[0].run_id, parent__in=[row.pk for row in batch])
        ).order_by("parent_id", "position")
        # Ids of a run sort as the nodes do, so children come in their parents' order.
        families = groupby(children.iterator(chunk_size=_BATCH), attrgetter("parent_id"))
        family = next(families, None)
        for row in batch:
            if family is not None and family[0] == row.pk:
                yield _with(request, row, family[1], expands)
                family = next(families, None)
            else:
                yield _with(request, row, (), expands)


def _with(
    request: Request, row: ResultNode, children: Iterable[ResultNode], expands: frozenset[str]
) -> Iterator[bytes]:
    yield _dumped(request, row, expands)[:-1] + b',"Children":'
    yield from _bracketed(_objects(request, children, expands - {"Children"}))
    yield b"}"


def _dumped(request: Request, row: ResultNode, expands: frozenset[str]) -> bytes:
    asked = request.headers.get("indent-json") or request.query_params.get("indent-json", "")
    body = representations.node(request, row, expands)
    return kit.dumps(body, indented=asked.lower() in {"true", "1"})


def _bracketed(items: Iterable[_Pieces]) -> Iterator[bytes]:
    yield b"["
    between = b""
    for item in items:
        yield between
        yield from item
        between = b","
    yield b"]"


def _streamed(pieces: Iterator[bytes]) -> StreamingHttpResponse:
    return StreamingHttpResponse(_in_chunks(pieces), content_type="application/json; charset=utf-8")


def _in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces: servers send each one by itself."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= _CHUNK:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)
