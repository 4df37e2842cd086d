"""
A handler's parameters as an HTML form.

The form only collects: what it gives is validated by the handler's serializer, like any
other submission, and `show` puts the serializer's complaints beside the fields.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from rest_framework import serializers
from rest_framework.fields import empty

from backgroundtasks.handlers.secrets import SecretField

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backgroundtasks.handlers.handler import TaskHandler

_Field = serializers.Field[Any, Any, Any, Any]

#: Input type by serializer field; the first that fits. Others are plain text.
_INPUTS: tuple[tuple[type, str], ...] = (
    (serializers.IntegerField, "number"),
    (serializers.FloatField, "number"),
    (serializers.DecimalField, "number"),
    (serializers.DateTimeField, "datetime-local"),
    (serializers.DateField, "date"),
    (serializers.TimeField, "time"),
    (serializers.EmailField, "email"),
    (serializers.URLField, "url"),
)
#: Written as JSON.
_STRUCTURES = (
    serializers.JSONField,
    serializers.ListField,
    serializers.DictField,
    serializers.ListSerializer,
)


class ParametersForm(forms.Form):
    """Fields for each parameter; those of nested serializers are named `Outer.Inner`."""

    def __init__(self, handler: type[TaskHandler], data: Mapping[str, Any] | None = None) -> None:
        """Take the handler, and what was sent if something was."""
        super().__init__(data, prefix="parameters", use_required_attribute=False)
        self._sources = dict(_leaves(handler.Parameters()))
        for name, field in self._sources.items():
            self.fields[name] = _form_field(name, field)

    def given(self) -> dict[str, Any]:
        """Return the parameters as a caller would send them: what was left empty is not there."""
        found: dict[str, Any] = {}
        for name, field in self._sources.items():
            value = self.cleaned_data.get(name)
            if value in (None, "", []) and not _empty_means_something(field, value):
                continue
            *outer, inner = name.split(".")
            place = found
            for step in outer:
                place = place.setdefault(step, {})
            place[inner] = value
        return found

    def show(self, problems: Mapping[str, Any]) -> None:
        """Put the problems of `ParametersInvalid` beside the fields that they are about."""
        for name, texts in _flat(problems):
            known = name
            while known not in self.fields and "." in known:
                known = known.rpartition(".")[0]
            if known in self.fields:
                self.add_error(known, texts)
            else:
                self.add_error(None, [f"{name}: {text}" for text in texts])


class _JsonField(forms.CharField):
    """A value that is written as JSON."""

    def __init__(self, *, secret: bool, **kwargs: Any) -> None:
        widget = forms.PasswordInput() if secret else forms.Textarea(attrs={"rows": 4})
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        """Return the parsed JSON; empty stays empty."""
        text = super().clean(value)
        try:
            return json.loads(text) if text else ""
        except ValueError as error:
            raise forms.ValidationError(f"This is no JSON: {error}.") from None


def _leaves(
    serializer: serializers.Serializer[Any], outer: str = ""
) -> Iterator[tuple[str, _Field]]:
    """Yield `(dotted name, field)` for everything that can be given."""
    for name, field in serializer.fields.items():
        if field.read_only or isinstance(field, serializers.HiddenField):
            continue
        if isinstance(field, serializers.Serializer):
            yield from _leaves(field, f"{outer}{name}.")
        else:
            yield f"{outer}{name}", field


def _form_field(name: str, field: _Field) -> forms.Field:
    """Return the form's field; every one may be left empty, the serializer says what it misses."""
    options: dict[str, Any] = {
        "label": f"{name} *" if field.required else name,
        "help_text": str(field.help_text or ""),
        "required": False,
        "initial": _initial(field),
    }
    if isinstance(field, SecretField):
        return forms.CharField(
            strip=False,
            widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            **options | {"initial": None},
        )
    if isinstance(field, serializers.BooleanField):
        return forms.BooleanField(**options)
    if isinstance(field, serializers.MultipleChoiceField):
        return forms.MultipleChoiceField(choices=list(field.choices.items()), **options)
    if isinstance(field, serializers.ChoiceField):
        nothing = [] if field.required else [("", "---------")]
        return forms.ChoiceField(choices=[*nothing, *field.choices.items()], **options)
    if isinstance(field, _STRUCTURES):
        return _JsonField(secret=_holds_secret(field), **options)
    return forms.CharField(strip=False, widget=_input(field), **options)


def _input(field: _Field) -> forms.Widget:
    """Return the input that browsers know for values of this kind."""
    if field.style.get("base_template") == "textarea.html":
        return forms.Textarea(attrs={"rows": 4})
    kind = next((kind for source, kind in _INPUTS if isinstance(field, source)), "text")
    attrs = {"step": "any"} if kind == "number" else {"step": "1"}
    widget = forms.TextInput(attrs=attrs if kind in {"number", "datetime-local", "time"} else {})
    widget.input_type = kind
    return widget


def _initial(field: _Field) -> Any:
    """Return the field's default as the form shows it."""
    if field.default is empty or field.default is None or callable(field.default):
        return None
    shown = field.to_representation(field.default)
    return json.dumps(shown) if isinstance(field, _STRUCTURES) else shown


def _holds_secret(field: Any) -> bool:
    """Whether a structure has a secret in it, so that it must not be read over a shoulder."""
    if isinstance(field, SecretField):
        return True
    child = getattr(field, "child", None)
    inner = getattr(child, "fields", None)
    if inner is not None:
        return any(_holds_secret(one) for one in inner.values())
    return child is not None and _holds_secret(child)


def _empty_means_something(field: _Field, value: Any) -> bool:
    """Whether an empty value is an answer: no choice of several, where a default would come in."""
    return isinstance(field, serializers.MultipleChoiceField) and value == []


def _flat(problems: Any, name: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield `(dotted name, texts)` of REST framework's nested errors."""
    if isinstance(problems, dict):
        for inner, problem in problems.items():
            yield from _flat(problem, f"{name}.{inner}" if name else str(inner))
    elif isinstance(problems, list) and any(isinstance(one, dict | list) for one in problems):
        for number, problem in enumerate(problems):
            if problem:
                yield from _flat(problem, f"{name}.{number}")
    else:
        texts = problems if isinstance(problems, list) else [problems]
        yield name, [str(text) for text in texts]
