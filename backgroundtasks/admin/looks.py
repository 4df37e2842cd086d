"""How values look on the operators' pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from backgroundtasks import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from backgroundtasks.models import TaskStatus

NOTHING = "-"


def state(name: str) -> SafeString:
    """Return a state as a coloured word."""
    return format_html('<span class="bt-state bt-{}">{}</span>', name, name)


def moment(at: datetime | None) -> SafeString | str:
    """Return a time to the second, with how long ago or ahead it is when hovered."""
    if at is None:
        return NOTHING
    shown = date_format(localtime(at), "Y-m-d H:i:s")
    away = at - clock.now()
    hint = f"in {span(away)}" if away.total_seconds() > 0 else f"{span(-away)} ago"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), hint, shown)


def span(length: timedelta | None) -> str:
    """Return a length of time in its two largest units: `3 h 20 min`."""
    if length is None:
        return NOTHING
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if hours < 1:
        return f"{minutes} min {int(seconds % 60)} s"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def progress(run: TaskStatus) -> SafeString | str:
    """Return a bar with its counts; only the count while the total is not known."""
    if not run.total:
        return str(run.processed) if run.processed else NOTHING
    return format_html(
        '<span class="bt-done"><progress class="bt-progress" max="{}" value="{}"></progress>'
        " {} / {}</span>",
        run.total,
        run.processed,
        run.processed,
        run.total,
    )


def code(value: Any) -> SafeString | str:
    """Return JSON, indented."""
    if value in (None, "", [], {}):
        return NOTHING
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="bt-code">{}</pre>', text)


def text(value: str) -> SafeString | str:
    """Return a text with its line breaks."""
    return format_html('<span class="bt-text">{}</span>', value) if value else NOTHING


def labels(named: Mapping[str, str]) -> SafeString | str:
    """Return labels side by side."""
    chips = format_html_join(
        " ", '<span class="bt-label"><b>{}</b> {}</span>', sorted(named.items())
    )
    return chips or NOTHING


def resource(stored: Mapping[str, str] | None) -> SafeString | str:
    """Return what a task works on, as it is stored: its kind, name and id, linked if it can be."""
    if not stored:
        return NOTHING
    words = stored["name"] or stored["id"]
    # Its path is a handler's own, which could name another site or a script.
    linked = stored["path"].startswith("/") and not stored["path"].startswith("//")
    shown = format_html('<a href="{}">{}</a>', stored["path"], words) if linked else words
    hint = f" ({stored['id']})" if stored["name"] else ""
    return format_html("{} {}{}", stored["kind"], shown, hint)


def link(to: str, words: object, *args: object) -> SafeString:
    """Return a link to a page of the admin: `link("backgroundtasks_task_change", "that", pk)`."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{to}", args=args), words)


def run_link(run_id: object) -> SafeString:
    """Return a link to a run."""
    return link("backgroundtasks_taskstatus_change", run_id, run_id)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString | str:
    """Return a table; a dash when it has no rows."""
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    if not body:
        return NOTHING
    head = format_html_join("", "<th>{}</th>", ((name,) for name in heads))
    return format_html(
        '<div class="bt-scroll"><table class="bt-table"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        head,
        body,
    )


def lines(values: Iterable[object]) -> SafeString | str:
    """Return values one below the other."""
    return format_html_join(mark_safe("<br>"), "{}", ((value,) for value in values)) or NOTHING
