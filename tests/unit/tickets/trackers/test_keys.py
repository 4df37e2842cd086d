"""Pasted addresses: of this tracker, however a browser spells them, and of no other."""

from __future__ import annotations

import pytest

from tickets.trackers import keys
from tickets.trackers.transport.addresses import Origin

HERE = Origin("https", "bugs.example.org", 443, "/jira")


@pytest.mark.parametrize(
    "text, path",
    [
        ("https://bugs.example.org/jira/browse/TST-1", "/browse/TST-1"),
        ("  https://bugs.example.org/jira/browse/TST-1/\n", "/browse/TST-1"),
        ("HTTPS://Bugs.Example.org:443/jira/browse/TST-1#c", "/browse/TST-1"),
        ("http://bugs.example.org/jira/browse/TST-1", "/browse/TST-1"),
        ("bugs.example.org/jira/browse/TST-1?a=b", "/browse/TST-1?a=b"),
        ("https://bugs.example.org/jira/browse/TST%2D1", "/browse/TST-1"),
        ("https://bot:hunter2@bugs.example.org/jira/browse/TST-1", "/browse/TST-1"),
    ],
)
def test_of_here(text: str, path: str) -> None:
    assert keys.pasted(text, HERE) == path


@pytest.mark.parametrize(
    "text",
    [
        "TST-1",
        "https://bugs.example.org/browse/TST-1",
        "https://bugs.example.org/jira",
        "https://bugs.example.org/jiraffe/browse/TST-1",
        "https://bugs.example.org:8443/jira/browse/TST-1",
        "https://bugs.example.org.evil.example/jira/browse/TST-1",
        "https://evil.example/bugs.example.org/jira/browse/TST-1",
        "https://[::1/jira/browse/TST-1",
        "ftp://bugs.example.org/jira/browse/TST-1",
        "https://bugs.example.org/jira/browse/TST-1" + "x" * 3000,
    ],
)
def test_of_elsewhere(text: str) -> None:
    assert keys.pasted(text, HERE) is None
