"""What a test expects of an answer of Enterprise Tester's API."""

from typing import Any


def body(answer: Any, status: int = 200) -> Any:
    """Return the JSON of an answer that has this status."""
    assert answer.status_code == status, answer.content
    return answer.json()


def message(answer: Any, status: int) -> str:
    """Return the text of a refusal: its only member is `Message`."""
    found = body(answer, status)
    assert list(found) == ["Message"]
    text: str = found["Message"]
    assert text
    return text
