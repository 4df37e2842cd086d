"""What requests may carry, under the vendor's names. Members that are not here are ignored."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from backgroundtasks.handlers.fields import OptionalId
from tickets.models.picklist_item import validate_word

_LARGEST: Final = 2**31 - 1


class GuidField(OptionalId):
    """An id in a body, in which the vendor's clients send all zeros, or nothing, for none."""

    json_schema = {"anyOf": [{"type": "string", "format": "uuid"}, {"const": ""}]}


class OptionalBoolean(serializers.BooleanField):
    """True or false; null says nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)


class OrderNumber(serializers.IntegerField):
    """A place among siblings."""

    def __init__(self) -> None:
        super().__init__(
            required=False, allow_null=True, min_value=-_LARGEST - 1, max_value=_LARGEST
        )


def text(longest: int) -> serializers.CharField:
    return serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=longest
    )


def field_values() -> serializers.DictField:
    return serializers.DictField(
        required=False,
        allow_null=True,
        help_text="By the names of custom fields; null takes a value away, what is left out stays.",
    )


def guid() -> GuidField:
    return GuidField(required=False, allow_null=True)


def moment() -> serializers.DateTimeField:
    return serializers.DateTimeField(required=False, allow_null=True)


class ProjectWrite(serializers.Serializer[Any]):
    """`CreateOrUpdateProject`."""

    Name = serializers.CharField(max_length=255)
    OrganisationId = guid()
    Description = text(100_000)
    EstimatedEndDate = moment()
    StartDate = moment()
    ManagerId = text(50)
    Slug = text(50)
    AutoNumberRequirements = OptionalBoolean()
    AutoNumberScripts = OptionalBoolean()
    Independent = OptionalBoolean()
    RequirementNumberReadOnly = OptionalBoolean()
    ScriptNumberReadOnly = OptionalBoolean()
    OrderNumber = OrderNumber()


class ProjectChange(ProjectWrite):
    """As `ProjectWrite`; what is left out stays as it is."""

    Name = serializers.CharField(max_length=255, required=False)


class PicklistItemWrite(serializers.Serializer[Any]):
    """A word of a picklist."""

    Text = serializers.CharField(max_length=255, validators=[validate_word])
    SortOrder = OrderNumber()


class PicklistItemChange(PicklistItemWrite):
    """As `PicklistItemWrite`; what is left out stays as it is."""

    Text = serializers.CharField(
        max_length=255, required=False, allow_null=True, validators=[validate_word]
    )


class ExecutionPackageWrite(serializers.Serializer[Any]):
    """An execution package: in a project, or in a package of one."""

    Name = serializers.CharField(max_length=255)
    ProjectId = guid()
    ParentId = guid()
    Stereotype = text(100)
    OrderNumber = OrderNumber()


class ExecutionPackageChange(ExecutionPackageWrite):
    """As `ExecutionPackageWrite`; what is left out stays as it is."""

    Name = serializers.CharField(max_length=255, required=False)


class AutomatedTestWrite(serializers.Serializer[Any]):
    """An automated test."""

    Name = serializers.CharField(max_length=255)
    ProjectId = guid()
    PackageId = guid()
    Type = text(50)
    Configuration = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="`Type` in it is the sub-type, such as `JUnit`.",
    )


class AutomatedTestChange(AutomatedTestWrite):
    """As `AutomatedTestWrite`; what is left out stays as it is."""

    Name = serializers.CharField(max_length=255, required=False)


class AssignmentWrite(serializers.Serializer[Any]):
    """An automated test put into an execution package."""

    AutomatedTestId = GuidField()
    PackageId = GuidField()
    AssignedToId = text(50)


class AssignmentChange(AssignmentWrite):
    """As `AssignmentWrite`; what is left out stays as it is."""

    AutomatedTestId = guid()
    PackageId = guid()


class NodeWrite(serializers.Serializer[Any]):
    """What can be changed of a result node."""

    Notes = serializers.CharField(allow_null=True, allow_blank=True, max_length=65_536)
