"""Everything a node says beyond its name: collected while it is open, put together at its end."""

from tickets.results.mentions import MOST, Output
from tickets.results.text import NODE_LIMIT, BoundedText, cut, short, size

#: Left for the marks of cut texts, in bytes.
_MARKS = 256
#: What is kept of one attribute, in bytes.
_ATTRIBUTE_LIMIT = 4_000


class Details:
    """The texts of one open node; made only for nodes that have any."""

    __slots__ = ("description", "metadata", "outputs", "parameters", "room")

    def __init__(self) -> None:
        self.description = BoundedText()
        self.metadata: dict[str, str] = {}
        self.outputs: dict[str, Output] = {}
        self.parameters: dict[str, str] = {}
        self.room = NODE_LIMIT  #: for parameters, in bytes

    def add_parameter(self, name: str, value: str) -> None:
        """Keep a property, or what there is room for."""
        self.room = _keep(self.parameters, name, value, self.room, limit=NODE_LIMIT)

    def mentions(self) -> tuple[str, ...]:
        """Return the paths of files that the outputs name, each once, at most `MOST`."""
        named: dict[str, None] = {}
        for _, output in sorted(self.outputs.items(), reverse=True):  # system-out first
            named.update(dict.fromkeys(output.named()))
        return tuple(named)[:MOST]


def assemble(
    attributes: dict[str, str], details: Details | None
) -> tuple[str | None, dict[str, str] | None, dict[str, str] | None]:
    """
    Return description, metadata and parameters of a node, in 64 KB together.

    Where that is not enough, what explains a failure goes before what was printed.

    Args:
        attributes: Those of its element that have no place of their own.
        details: What stood inside its element.
    """
    room = NODE_LIMIT - _MARKS
    metadata: dict[str, str] = {}
    for name, value in attributes.items():
        room = _keep(metadata, name, value, room, limit=_ATTRIBUTE_LIMIT)
    if details is None:
        return None, metadata or None, None
    for name, value in details.metadata.items():
        room = _keep(metadata, name, value, room, limit=_ATTRIBUTE_LIMIT)
    description = details.description.value(max(room, 0))
    room -= size(description)
    parameters: dict[str, str] = {}
    for name, value in details.parameters.items():
        room = _keep(parameters, name, value, room, limit=NODE_LIMIT)
    for name, text in sorted(details.outputs.items()):  # system-err before system-out
        if value := text.value(max(room, 0)):
            metadata[name] = value
            room -= size(value)
    return description or None, metadata or None, parameters or None


def _keep(into: dict[str, str], name: str, value: str, room: int, *, limit: int) -> int:
    """Put what there is room for into a map; return the room left, in bytes."""
    if room <= 0:
        return room
    name = short(name)
    kept = cut(value, min(room, limit))
    into[name] = kept
    return room - size(name) - size(kept)
