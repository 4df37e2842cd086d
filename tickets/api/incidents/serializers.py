"""What requests about incidents may carry. Members that are not here are ignored."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from tickets.api.serializers import GuidField, field_values, guid, text

_LONG: Final = 100_000
#: Versions, or components, of one incident.
_MOST_PICKS: Final = 100


def _ids() -> serializers.ListField:
    return serializers.ListField(
        child=GuidField(allow_null=True), required=False, allow_null=True, max_length=_MOST_PICKS
    )


class CommentWrite(serializers.Serializer[Any]):
    """A comment; one with the `Id` of a stored one is that, and not added again."""

    Id = guid()
    Comment = text(_LONG)


class IncidentWrite(serializers.Serializer[Any]):
    """An incident in a project."""

    Summary = serializers.CharField(max_length=1000)
    ProjectId = GuidField()
    Description = text(_LONG)
    AssignedToId = text(50)
    PriorityId = guid()
    StatusId = guid()
    TypeId = guid()
    ResolutionId = guid()
    AffectedVersionIds = _ids()
    FixedVersionIds = _ids()
    ComponentIds = _ids()
    FieldValues = field_values()
    Comments = serializers.ListField(
        child=CommentWrite(), required=False, allow_null=True, max_length=1000
    )


class IncidentChange(IncidentWrite):
    """As `IncidentWrite`; what is left out stays as it is."""

    Summary = serializers.CharField(max_length=1000, required=False)
    ProjectId = guid()


class LinkedIncident(serializers.Serializer[Any]):
    """The incident that is to be linked."""

    IncidentId = GuidField()
