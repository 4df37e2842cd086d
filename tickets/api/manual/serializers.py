"""What requests about manual tests may carry. Members that are not here are ignored."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from tickets.api.serializers import (
    GuidField,
    OptionalBoolean,
    OrderNumber,
    field_values,
    guid,
    text,
)
from tickets.models import Outcome

_LONG: Final = 100_000
_MOST_STEPS: Final = 1_000
_OUTCOMES: Final = {word.value.lower(): word.value for word in Outcome}


class OutcomeField(serializers.ChoiceField):
    """What came of a step, in any letter case; null says nothing."""

    def __init__(self) -> None:
        super().__init__(choices=Outcome.choices, required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        """Return the vendor's spelling."""
        return super().to_internal_value(_OUTCOMES.get(str(data).lower(), data))


class StepWrite(serializers.Serializer[Any]):
    """A step of a script."""

    Description = text(_LONG)
    Data = text(_LONG)
    Notes = text(_LONG)
    ExpectedResult = text(_LONG)


class ScriptWrite(serializers.Serializer[Any]):
    """A script in a project; its steps in order."""

    Name = serializers.CharField(max_length=255)
    ProjectId = GuidField()
    Description = text(_LONG)
    Steps = serializers.ListField(
        child=StepWrite(), required=False, allow_null=True, max_length=_MOST_STEPS
    )


class ScriptChange(ScriptWrite):
    """As `ScriptWrite`; what is left out stays as it is."""

    Name = serializers.CharField(max_length=255, required=False)
    ProjectId = guid()


class ScriptAssignmentWrite(serializers.Serializer[Any]):
    """A script put into an execution package."""

    ScriptId = GuidField()
    PackageId = GuidField()
    AssignedToId = text(50)


class ScriptAssignmentChange(ScriptAssignmentWrite):
    """As `ScriptAssignmentWrite`; what is left out stays as it is."""

    ScriptId = guid()
    PackageId = guid()


class AssignmentOfScript(ScriptAssignmentWrite):
    """An assignment of the script whose resource it is sent to."""

    ScriptId = guid()


class StepResultWrite(serializers.Serializer[Any]):
    """What came of one step of the run."""

    Id = serializers.UUIDField()
    Outcome = OutcomeField()
    ActualResult = text(_LONG)


class DurationChange(serializers.Serializer[Any]):
    """How long a run took, and what is noted in its custom fields."""

    ActualDuration = text(50)
    FieldValues = field_values()


class ScriptRunChange(DurationChange):
    """What came of a run's steps, and how long it took."""

    AttemptToComplete = OptionalBoolean(
        help_text="Complete the run although steps were not run, for instance after a failed one."
    )
    StepResults = serializers.ListField(
        child=StepResultWrite(), required=False, allow_null=True, max_length=_MOST_STEPS
    )


class AgileStepWrite(serializers.Serializer[Any]):
    """A step of an agile run; one with the `Id` of a step of the run changes that."""

    Id = guid()
    Description = text(_LONG)
    ExpectedResult = text(_LONG)
    Notes = text(_LONG)
    Data = text(_LONG)
    ActualResult = text(_LONG)
    Result = OutcomeField()


class AgileRunWrite(serializers.Serializer[Any]):
    """An agile run in an execution package."""

    Name = serializers.CharField(max_length=255)
    PackageId = GuidField()
    AssignedToId = text(50)
    Description = text(_LONG)
    Notes = text(_LONG)
    Objective = text(_LONG)
    PreCondition = text(_LONG)
    PostCondition = text(_LONG)
    PriorityId = guid()
    StatusId = guid()
    TypeId = guid()
    OrderNumber = OrderNumber()
    EstimatedDuration = text(50)
    ActualDuration = text(50)
    Steps = serializers.ListField(
        child=AgileStepWrite(),
        required=False,
        allow_null=True,
        max_length=_MOST_STEPS,
        help_text="All of them, in order; null and an empty array leave them as they are.",
    )
    FieldValues = field_values()


class AgileRunChange(AgileRunWrite):
    """As `AgileRunWrite`; what is left out stays as it is."""

    Name = serializers.CharField(max_length=255, required=False)
    PackageId = guid()
