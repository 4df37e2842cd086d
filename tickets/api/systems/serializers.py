"""What requests about trackers may carry. Members that are not here are ignored."""

from __future__ import annotations

import json
from typing import Any

from rest_framework import serializers

from backgroundtasks.handlers import SecretField
from tickets import trackers
from tickets.api.serializers import GuidField, OptionalBoolean, field_values, guid, text


class KindField(serializers.CharField):
    """A kind of tracker, in any letter case."""

    def to_internal_value(self, data: Any) -> str:
        """Return the kind as it is stored."""
        kind = super().to_internal_value(data).lower()
        if kind not in trackers.KINDS:
            known = ", ".join(sorted(trackers.KINDS))
            raise serializers.ValidationError(
                f"There is no such type of system; there are {known}."
            )
        return kind


class ConfigurationField(serializers.CharField):
    """What the kind of tracker wants to know beside: a JSON object in a text, as the vendor has it."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the object; an empty text is an empty one."""
        found = super().run_validation(data)
        return {} if found == "" else found

    def to_internal_value(self, data: Any) -> Any:
        """Return the object."""
        written = super().to_internal_value(data)
        try:
            found = json.loads(written)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise serializers.ValidationError("It must be a JSON object, written as a text.")
        return found


class ExternalSystemChange(serializers.Serializer[Any]):
    """What can be changed of an external system; what is left out stays as it is."""

    Name = serializers.CharField(max_length=255, required=False)
    ConnectionString = serializers.CharField(
        max_length=500,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="The base URL. Another one asks for the password again.",
    )
    DisplayUrl = text(500)
    UserName = text(255)
    Password = SecretField(
        max_length=4000,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="A password or token; never shown again. An empty text takes it away.",
    )
    Configuration = ConfigurationField(
        max_length=10_000, required=False, allow_null=True, allow_blank=True
    )
    Enabled = OptionalBoolean()
    FieldValues = field_values()


class ExternalSystemWrite(ExternalSystemChange):
    """An external system."""

    Name = serializers.CharField(max_length=255)
    Type = KindField(max_length=20)


class Switch(serializers.Serializer[Any]):
    """Whether it is used."""

    Enabled = serializers.BooleanField()


class ExternalSystemLinkChange(serializers.Serializer[Any]):
    """What can be changed of a link; what is left out stays as it is."""

    Name = serializers.CharField(max_length=255, required=False)
    DefectTrackerProjectId = serializers.CharField(
        max_length=255,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="The project inside the tracker: `TST`, `owner/repository` …",
    )
    Enabled = OptionalBoolean()


class ExternalSystemLinkWrite(ExternalSystemLinkChange):
    """An external system linked to a project."""

    ExternalSystemId = GuidField()
    ProjectId = GuidField()
    Name = serializers.CharField(max_length=255, required=False, allow_null=True, allow_blank=True)
    Type = text(20)


class LinkCopy(serializers.Serializer[Any]):
    """Where the copy goes, and what it is called; left out: as the original."""

    ProjectId = guid()
    Name = text(255)
