"""A handler's parameters as a form: every kind of field, and back."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from rest_framework import serializers

from backgroundtasks.exceptions import ParametersInvalid
from backgroundtasks.handlers import SecretField, TaskHandler
from backgroundtasks.handlers.forms import ParametersForm


class Credentials(serializers.Serializer[Any]):
    User = serializers.CharField()
    Password = SecretField()


class Everything(serializers.Serializer[Any]):
    Text = serializers.CharField(required=False)
    Long = serializers.CharField(required=False, style={"base_template": "textarea.html"})
    Whole = serializers.IntegerField(default=7, max_value=10)
    Fraction = serializers.FloatField(required=False)
    Exact = serializers.DecimalField(required=False, max_digits=5, decimal_places=2)
    Yes = serializers.BooleanField(default=True)
    One = serializers.ChoiceField(choices=["a", "b"], required=False)
    Some = serializers.MultipleChoiceField(choices=["x", "y", "z"], required=False)
    Day = serializers.DateField(required=False)
    Moment = serializers.DateTimeField(required=False)
    Clock = serializers.TimeField(required=False)
    Mail = serializers.EmailField(required=False)
    Link = serializers.URLField(required=False)
    Key = serializers.UUIDField(required=False)
    List = serializers.ListField(child=serializers.IntegerField(), default=[1, 2])
    Map = serializers.DictField(required=False)
    Free = serializers.JSONField(required=False)
    Secret = SecretField(required=False)
    Secrets = serializers.ListField(child=SecretField(), required=False)
    Login = Credentials(required=False)
    Logins = Credentials(many=True, required=False)
    Shown = serializers.CharField(read_only=True)
    Needed = serializers.CharField()


class Handler(TaskHandler):
    """Not registered: it names no task type."""

    Parameters = Everything


def sent(**values: Any) -> dict[str, Any]:
    return {f"parameters-{name}": value for name, value in values.items()}


@pytest.mark.parametrize(
    "name, kind",
    [
        ("Text", 'type="text"'),
        ("Long", "<textarea"),
        ("Whole", 'type="number"'),
        ("Fraction", 'type="number"'),
        ("Exact", 'type="number"'),
        ("Yes", 'type="checkbox"'),
        ("One", "<select"),
        ("Some", "multiple"),
        ("Day", 'type="date"'),
        ("Moment", 'type="datetime-local"'),
        ("Clock", 'type="time"'),
        ("Mail", 'type="email"'),
        ("Link", 'type="url"'),
        ("Key", 'type="text"'),
        ("List", "<textarea"),
        ("Map", "<textarea"),
        ("Free", "<textarea"),
        ("Secret", 'type="password"'),
        ("Secrets", 'type="password"'),
        ("Login.User", 'type="text"'),
        ("Login.Password", 'type="password"'),
        ("Logins", 'type="password"'),
    ],
)
def test_each_kind_has_its_input(name: str, kind: str) -> None:
    assert kind in str(ParametersForm(Handler)[name])


def test_shows_defaults_and_what_is_required_and_no_more() -> None:
    form = ParametersForm(Handler)

    assert 'value="7"' in str(form["Whole"])
    assert "checked" in str(form["Yes"])
    assert "[1, 2]" in str(form["List"])
    assert form["Needed"].label == "Needed *"
    assert "Shown" not in form.fields


def test_gives_what_the_serializer_understands() -> None:
    form = ParametersForm(
        Handler,
        sent(
            Text=" kept ",
            Whole="3",
            Fraction="0.5",
            Exact="1.25",
            One="b",
            Some=["x", "z"],
            Day="2026-02-03",
            Moment="2026-02-03T04:05",
            Clock="04:05",
            Mail="a@example.com",
            Link="https://example.com/",
            Key="7bd337eb-70fe-4ac7-af48-6cbb03eb6ff9",
            List="[3]",
            Map='{"a": "b"}',
            Free="[1, null]",
            Secret=" hunter2 ",
            Secrets='["one"]',
            Logins='[{"User": "u", "Password": "p"}]',
            Needed="yes",
        )
        | {"parameters-Login.User": "me", "parameters-Login.Password": "pw"},
    )

    assert form.is_valid(), form.errors
    validated = Handler.validated(form.given())

    assert validated["Whole"] == 3
    assert validated["Yes"] is False  # the box was not ticked
    assert set(validated["Some"]) == {"x", "z"}
    assert validated["Day"] == date(2026, 2, 3)
    assert validated["List"] == [3]
    assert validated["Free"] == [1, None]
    assert validated["Secret"] == " hunter2 "
    assert validated["Login"] == {"User": "me", "Password": "pw"}
    assert validated["Logins"] == [{"User": "u", "Password": "p"}]


def test_what_is_left_empty_is_not_given() -> None:
    form = ParametersForm(Handler, sent(Needed="yes"))

    assert form.is_valid()
    assert form.given() == {"Needed": "yes", "Yes": False, "Some": []}
    assert Handler.validated(form.given())["Whole"] == 7


def test_puts_the_serializers_problems_beside_their_fields() -> None:
    form = ParametersForm(
        Handler,
        sent(Whole="11", List='["a", 2]', Logins='[{"User": "u"}]')
        | {"parameters-Login.User": "me"},
    )
    assert form.is_valid()
    with pytest.raises(ParametersInvalid) as refusal:
        Handler.validated(form.given())

    form.show(refusal.value.problems | {"Unheard": ["There is no parameter of this name."]})

    assert form.errors["Needed"] == ["This field is required."]
    assert form.errors["Whole"] == ["Ensure this value is less than or equal to 10."]
    assert form.errors["List"] == ["A valid integer is required."]
    assert form.errors["Login.Password"] == ["This field is required."]
    assert form.errors["Logins"] == ["This field is required."]
    assert form.non_field_errors() == ["Unheard: There is no parameter of this name."]


def test_never_shows_a_secret_again() -> None:
    form = ParametersForm(
        Handler, sent(Secret="hunter2", Secrets='["hunter2"]', Logins='[{"Password": "hunter2"}]')
    )

    assert "hunter2" not in form.as_p()
