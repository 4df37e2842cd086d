"""What people paste, without what nobody should keep."""

import pytest

from tickets.pasted import without_secrets


@pytest.mark.parametrize(
    "text",
    [
        "TST-12",
        " tst-12 ",
        "#12",
        "issue12",
        "owner/repository#12",
        "GH-12",
        "https://jira.example.org/browse/TST-12",
        "jira.example.org/browse/TST-12",
        "https://jira.example.org/projects/TST/board?selectedIssue=TST-12",
    ],
)
def test_keys_and_addresses_stay_as_they_are(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "text, kept",
    [
        ("https://kim:hunter2@bugs.example.org/issue12", "https://bugs.example.org/issue12"),
        ("https://kim@bugs.example.org/issue12", "https://bugs.example.org/issue12"),
        ("kim:hunter2@bugs.example.org/issue12", "bugs.example.org/issue12"),
        (
            "https://bugs.example.org/issues/12?key=0a1b&tab=notes",
            "https://bugs.example.org/issues/12",
        ),
        ("bugs.example.org/issues/12?key=0a1b", "bugs.example.org/issues/12"),
        (
            "https://bugs.example.org/show?os_authType=x&id=12#access_token=0a1b",
            "https://bugs.example.org/show?id=12",
        ),
        ("https://kim:hun@ter2@bugs.example.org/12", "https://bugs.example.org/12"),
    ],
)
def test_logins_and_tokens_go(text: str, kept: str) -> None:
    assert without_secrets(text) == kept
