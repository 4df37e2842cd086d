"""
An event parser for JUnit XML in constant memory, and in the dialects that real reporters write.

It sits on expat and keeps only what is open: one small record per enclosing
suite. Memory is bounded by limits, not by the report: see the constants.

Source: Ant's JUnit XML, Maven Surefire's flaky and rerun elements, GoogleTest's
`status`; nothing of it is standardised, so unknown elements are looked through.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from xml.parsers import expat

from tickets.results import encoding
from tickets.results.details import Details, assemble
from tickets.results.duration import later, moment, seconds
from tickets.results.exceptions import ReportMalformed, ReportRefused
from tickets.results.mentions import Output
from tickets.results.node import Node, Status
from tickets.results.text import NODE_LIMIT, BoundedText, short
from tickets.results.totals import Totals

#: Elements within elements, at most.
DEEPEST = 100
#: One tag with its attributes, one comment: at most this many bytes. Expat keeps it whole.
LONGEST_TAG = 4 * 1024 * 1024
#: Different names of elements and attributes, at most. Expat keeps them for ever.
MOST_NAMES = 10_000
#: Suites' own errors that are kept as messages, at most.
MOST_PROBLEMS = 100

ROOTS = ("testsuites", "testsuite")
#: Bytes in which an XML declaration must fit.
_DECLARATION = 256
_NODES = ("testcase", "testsuite")

#: Elements that say how a node ended -> what is written before their message.
_OUTCOMES = {
    "error": "",
    "failure": "",
    "skipped": "",
    "flakyFailure": "Flaky failure: ",
    "flakyError": "Flaky error: ",
    "rerunFailure": "Rerun failure: ",
    "rerunError": "Rerun error: ",
}
_FLAKY = ("flakyFailure", "flakyError")
_OUTPUTS = ("system-out", "system-err")
#: GoogleTest and its followers mark what was not run by an attribute.
_NOT_RUN = ("notrun", "disabled", "skipped")

_RANK = {status: rank for rank, status in enumerate(Status)}


class _Open:
    """A suite or test case whose end has not come yet."""

    __slots__ = (
        "attributes",
        "details",
        "has_children",
        "is_case",
        "outcomes",
        "position",
        "worst",
    )

    def __init__(self, position: int, *, is_case: bool, attributes: dict[str, str]) -> None:
        self.position = position
        self.is_case = is_case
        self.attributes = attributes
        self.has_children = False
        self.outcomes: tuple[str, ...] = ()
        self.details: Details | None = None
        self.worst = Status.NOT_RUN

    def detailed(self) -> Details:
        if self.details is None:
            self.details = Details()
        return self.details


class JUnitReader:
    """
    Reads one report after another into nodes and counts them.

        reader = JUnitReader()
        for nodes in reader.read(chunks):
            ...

    `totals` counts over all that was read, `problems` holds the suites' own errors as
    (name, text), at most `MOST_PROBLEMS` of them; `started_at` and `finished_at` are the
    earliest and the latest moment that any node names.
    """

    def __init__(self) -> None:
        self.totals = Totals()
        self.problems: list[tuple[str, str]] = []
        self.started_at: datetime | None = None
        self.finished_at: datetime | None = None
        self._next_position = 0
        self._nodes: list[Node] = []

    def read(self, chunks: Iterable[bytes], source: str = "") -> Iterator[list[Node]]:
        """
        Yield the nodes of one report, some at a time, each when its element ends.

        Something, perhaps an empty list, is yielded for each piece of the report, so that
        the caller can look up from time to time.

        Args:
            chunks: The report's bytes, in pieces of any length.
            source: Its name inside a zip, for error texts.

        Raises:
            ReportMalformed: Not well-formed XML, or it ends too early.
            ReportRefused: Its root is no test report, or it exceeds a limit, or it
                declares entities. Nodes yielded before are no longer of any use.
        """
        try:
            yield from self._read(chunks)
        except (ReportMalformed, ReportRefused) as refusal:
            if source:
                raise type(refusal)(refusal.reason, source) from refusal
            raise

    def _read(self, chunks: Iterable[bytes]) -> Iterator[list[Node]]:
        pieces = iter(chunks)
        head = next(pieces, b"")
        while 0 < len(head) < _DECLARATION and (piece := next(pieces, b"")):
            head += piece
        if not head:
            raise ReportMalformed("the report is empty")
        pieces = _prepend(head, pieces)
        foreign = encoding.foreign_encoding(head[:_DECLARATION])
        if foreign:
            pieces = encoding.recode(pieces, foreign)
        parser = self._begin("utf-8" if foreign else None)
        fed = 0
        try:
            for piece in pieces:
                fed += len(piece)
                parser.Parse(piece)
                self._check_limits(parser, fed)
                yield self._take()
            parser.Parse(b"", True)  # noqa: FBT003
            yield self._take()
        except expat.ExpatError as error:
            raise ReportMalformed(_reason(error)) from None
        finally:
            self._end_report()

    def _begin(self, encoding_: str | None) -> expat.XMLParserType:
        parser = expat.ParserCreate(encoding_)
        parser.buffer_text = True
        parser.buffer_size = NODE_LIMIT
        parser.StartDoctypeDeclHandler = _refuse_declarations
        parser.SkippedEntityHandler = _refuse_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        self._parser = parser
        self._open: list[_Open] = []
        self._depth = 0
        self._text_depth = 0  #: depth of the element whose text is being read; 0 = none
        self._after_text: Callable[[], None] | None = None
        return parser

    def _end_report(self) -> None:
        # The parser holds our methods and we hold the parser: a cycle that would
        # keep expat's memory until the garbage collector comes by.
        self._parser.StartElementHandler = None
        self._parser.EndElementHandler = None
        self._parser.CharacterDataHandler = None
        del self._parser

    def _take(self) -> list[Node]:
        nodes, self._nodes = self._nodes, []
        return nodes

    def _check_limits(self, parser: expat.XMLParserType, fed: int) -> None:
        if fed - parser.CurrentByteIndex > LONGEST_TAG:
            raise ReportRefused(
                f"a tag or comment near line {parser.CurrentLineNumber} is longer than "
                f"{LONGEST_TAG // 1024 // 1024} MB"
            )
        if len(parser.intern) > MOST_NAMES:
            raise ReportRefused(f"it has more than {MOST_NAMES:,} different names of elements")

    # Expat's events. Called once or twice per test case: kept short.

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        if depth > DEEPEST:
            raise ReportRefused(f"its elements are nested more than {DEEPEST} deep")
        if self._text_depth:
            return
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if depth == 1 and tag not in ROOTS:
            raise ReportRefused(
                f"its root element is <{short(tag)}>, not <testsuites> or <testsuite>"
            )
        if tag in _NODES:
            open_nodes = self._open
            if open_nodes:
                open_nodes[-1].has_children = True
            position = self._next_position
            self._next_position = position + 1
            open_nodes.append(_Open(position, is_case=tag == "testcase", attributes=attributes))
        elif tag in _OUTCOMES:
            self._start_outcome(tag, attributes)
        elif tag in _OUTPUTS:
            self._start_output(tag)
        elif tag == "property":
            self._start_property(attributes)

    def _end(self, tag: str) -> None:
        depth = self._depth
        self._depth = depth - 1
        if self._text_depth:
            if depth == self._text_depth:
                self._end_text()
            return
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if tag == "testcase":
            self._end_case(self._open.pop())
        elif tag == "testsuite":
            self._end_suite(self._open.pop())

    # Text of outcomes, outputs and properties.

    def _start_text(self, text: BoundedText | None, after: Callable[[], None] | None) -> None:
        self._text_depth = self._depth
        self._after_text = after
        self._parser.CharacterDataHandler = text.add if text is not None else None

    def _end_text(self) -> None:
        self._parser.CharacterDataHandler = None
        self._text_depth = 0
        after, self._after_text = self._after_text, None
        if after is not None:
            after()

    def _start_outcome(self, tag: str, attributes: dict[str, str]) -> None:
        message = attributes.get("message", "")
        if not self._open:
            self._start_outcome_of_report(tag, message)
            return
        node = self._open[-1]
        details = node.detailed()
        if tag not in node.outcomes:
            node.outcomes += (tag,)
            if "type" in attributes:
                details.metadata.setdefault("type", short(attributes["type"]))
            if message:
                details.metadata.setdefault("message", short(message))
        description = details.description
        before = description.seen
        heading = _OUTCOMES[tag] + message
        description.add(f"\n\n{heading}\n" if before else f"{heading}\n" if heading else "")
        after = None
        if not node.is_case and tag in ("error", "failure"):
            after = lambda: self._suite_failed(_name(node), description)  # noqa: E731
        self._start_text(description, after)

    def _start_outcome_of_report(self, tag: str, message: str) -> None:
        if tag not in ("error", "failure"):
            self._start_text(None, None)
            return
        text = BoundedText()
        text.add(f"{message}\n" if message else "")
        self._start_text(text, lambda: self._suite_failed("", text))

    def _suite_failed(self, name: str, text: BoundedText) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append((name, text.value()))

    def _start_output(self, tag: str) -> None:
        if not self._open:
            self._start_text(None, None)
            return
        outputs = self._open[-1].detailed().outputs
        text = outputs.get(tag)
        if text is None:
            text = outputs[tag] = Output()
        self._start_text(text, None)

    def _start_property(self, attributes: dict[str, str]) -> None:
        if not self._open:
            self._start_text(None, None)
            return
        details = self._open[-1].detailed()
        name = attributes.get("name", "")
        value = attributes.get("value")
        if value is not None:
            details.add_parameter(name, value)
            self._start_text(None, None)
        else:
            text = BoundedText()
            self._start_text(text, lambda: details.add_parameter(name, text.value()))

    # Ends of nodes.

    def _end_case(self, node: _Open) -> None:
        totals = self.totals
        outcomes = node.outcomes
        is_flaky = False
        if not outcomes:
            if node.attributes.get("status", "").lower() in _NOT_RUN:
                totals.skipped += 1
                status = Status.SKIPPED
            else:
                totals.passed += 1
                status = Status.PASSED
        elif "error" in outcomes:
            totals.errors += 1
            status = Status.ERROR
        elif "failure" in outcomes:
            totals.failed += 1
            status = Status.FAILED
        elif "skipped" in outcomes:
            totals.skipped += 1
            status = Status.SKIPPED
        else:
            totals.passed += 1
            status = Status.PASSED
            is_flaky = not set(_FLAKY).isdisjoint(outcomes)
            totals.warnings += is_flaky
        self._emit(node, status, is_flaky=is_flaky)

    def _end_suite(self, node: _Open) -> None:
        self.totals.suites += 1
        status = node.worst
        if "error" in node.outcomes or "failure" in node.outcomes:
            self.totals.suite_errors += 1
            status = Status.ERROR
        self._emit(node, status, is_flaky=False)

    def _emit(self, node: _Open, status: Status, *, is_flaky: bool) -> None:
        parent = None
        if self._open:
            suite = self._open[-1]
            parent = suite.position
            if suite.worst is not status and _RANK[status] > _RANK[suite.worst]:
                suite.worst = status
        attributes = node.attributes
        name = _name(node)
        class_name = attributes.pop("classname", "")
        duration = None
        if written := attributes.pop("time", None):
            duration = seconds(written)
            if duration is None:
                self.totals.unread_durations += 1
        started_at = finished_at = None
        if written := attributes.get("timestamp"):
            started_at = moment(written)
            finished_at = later(started_at, duration)
            self._widen(started_at, finished_at)
        attributes.pop("name", None)
        description = metadata = parameters = None
        mentions: tuple[str, ...] = ()
        if attributes or node.details is not None:
            description, metadata, parameters = assemble(attributes, node.details)
        if node.details is not None:
            mentions = node.details.mentions()
        self._nodes.append(
            Node(
                node.position,
                parent,
                node.is_case,
                name,
                short(class_name),
                status,
                is_flaky,
                duration,
                started_at,
                finished_at,
                description,
                metadata,
                parameters,
                node.has_children,
                mentions,
            )
        )

    def _widen(self, started_at: datetime | None, finished_at: datetime | None) -> None:
        if started_at and (self.started_at is None or started_at < self.started_at):
            self.started_at = started_at
        latest = finished_at or started_at
        if latest and (self.finished_at is None or latest > self.finished_at):
            self.finished_at = latest


def _name(node: _Open) -> str:
    name = node.attributes.get("name")
    if name:
        return short(name)
    return "(unnamed test)" if node.is_case else "(unnamed suite)"


def _prepend(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from pieces


def _reason(error: expat.ExpatError) -> str:
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]:
        return "unexpected end of file"
    text = expat.ErrorString(error.code)
    return f"{text} at line {error.lineno}, column {error.offset + 1}"


def _refuse_declarations(
    _name: str, _system: str | None, _public: str | None, has_declarations: object
) -> None:
    # Entities can expand without end or read files; default attributes can multiply
    # too. No reporter writes them.
    if has_declarations:
        raise ReportRefused("its DOCTYPE declares entities or attributes of its own")


def _refuse_entity(name: str, _is_parameter: object) -> None:
    raise ReportRefused(f"it uses the entity &{short(name)};, which is not defined")
