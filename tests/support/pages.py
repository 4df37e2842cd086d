"""Pages of the HTML directory, read as a browser reads them: links, forms, labels, headings."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

#: They have no end tag.
VOID = {"br", "hr", "img", "input", "link", "meta"}


@dataclass
class Element:
    """One element, with the text that is in it, at any depth."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    text: str = ""

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def within(self, tag: str) -> Element | None:
        """Return the nearest element around it that has this tag."""
        above = self.parent
        while above is not None and above.tag != tag:
            above = above.parent
        return above


@dataclass
class Page:
    """A page, or a list of what is wrong with it."""

    elements: list[Element] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            one
            for one in self.elements
            if one.tag == tag
            and all(one.attributes.get(name.strip("_")) == v for name, v in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def links(self) -> dict[str, str]:
        """Text to address."""
        return {one.text.strip(): one.get("href") for one in self.all("a")}

    @property
    def fields(self) -> dict[str, Element]:
        """What the form of the page asks for, by name; not what the bar above it sends."""
        asked = [*self.all("input"), *self.all("select"), *self.all("textarea")]
        return {one.get("name"): one for one in asked if one.within("main")}

    @property
    def properties(self) -> dict[str, str]:
        """Names and texts of the table of properties."""
        rows = [one for one in self.all("th", scope="row") if self._is_property(one)]
        cells = {id(cell.within("tr")): cell for cell in self.all("td")}
        return {row.text.strip(): cells[id(row.within("tr"))].text.strip() for row in rows}

    @staticmethod
    def _is_property(heading: Element) -> bool:
        table = heading.within("table")
        return table is not None and table.get("class") == "properties"

    def flaws(self) -> list[str]:
        """Return what a person with a keyboard or a screen reader would stumble over."""
        found = []
        if len(self.all("h1")) != 1:
            found.append(f"{len(self.all('h1'))} headings of level 1")
        landmarks = {tag: len(self.all(tag)) for tag in ("main", "header", "footer", "title")}
        found += [f"{number} of {tag}" for tag, number in landmarks.items() if number != 1]
        if self.one("html").get("lang") != "en":
            found.append("no language")
        ids = [one.get("id") for one in self.elements if one.get("id")]
        found += [f"id {name} twice" for name in {*ids} if ids.count(name) > 1]
        labelled = {one.get("for") for one in self.all("label")}
        for one in [*self.all("input"), *self.all("select"), *self.all("textarea")]:
            if one.get("type") != "hidden" and one.get("id") not in labelled:
                found.append(f"no label for {one.get('name')}")
            found += [
                f"nothing has the id {name}"
                for name in one.get("aria-describedby").split()
                if name not in ids
            ]
        found += [f"no text in a {one.tag}" for one in self._pressed() if not one.text.strip()]
        found += [
            f"{one.get('href')} leads nowhere"
            for one in self.all("a")
            if one.get("href").startswith("#") and one.get("href")[1:] not in ids
        ]
        found += [f"{one.tag} is no part of these pages" for one in self.all("script")]
        found += [f"style in {one.tag}" for one in self.elements if one.get("style")]
        return found

    def _pressed(self) -> list[Element]:
        return [*self.all("a"), *self.all("button"), *self.all("label"), *self.all("th")]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        around = self._open[-1] if self._open else None
        element = Element(tag, {name: value or "" for name, value in attrs}, around)
        self.page.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> ends nothing"
        assert self._open[-1].tag == tag, f"</{tag}> ends {self._open[-1].tag}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data


def read(answer: Any) -> Page:
    """Return the page of an answer."""
    assert answer["Content-Type"] == "text/html; charset=utf-8", answer["Content-Type"]
    reader = _Reader()
    reader.feed(answer.content.decode())
    reader.close()
    assert not reader._open, [one.tag for one in reader._open]
    return reader.page
