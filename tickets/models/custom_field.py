"""What a team notes beside what every entity has: which build, which customer, which device."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from backgroundtasks import clock
from indexing import fields
from tickets.models.picklist_item import validate_word

#: Choices of one field, and characters of one.
MOST_CHOICES: Final = 200
LONGEST_CHOICE: Final = 255


class FieldKind(models.TextChoices):
    """What a value of the field is."""

    TEXT = "Text"
    NUMBER = "Number"
    DATE = "Date"
    BOOLEAN = "Boolean"
    CHOICE = "Choice"


class FieldOf(models.TextChoices):
    """What has the field."""

    INCIDENT = "Incident"
    SCRIPT_RUN = "ScriptRun"
    AGILE_RUN = "AgileRun"
    EXTERNAL_SYSTEM = "ExternalSystem"


class CustomField(models.Model):
    """
    A field that an account, or one project of it, has added to a type of entity.

    Entities keep their values by the field's id (`field_values`), so that it can be renamed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(
        "backgroundtasks.Account",
        on_delete=models.CASCADE,
        db_index=False,  # the constraints below begin with it
    )
    project = models.ForeignKey(
        "tickets.Project",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="custom_fields",
        help_text="Empty: all projects of the account.",
    )
    entity_type = models.CharField(max_length=20, choices=FieldOf.choices)
    name = models.CharField(
        max_length=60,
        validators=[
            RegexValidator(
                r"^[A-Za-z][A-Za-z0-9_]*\Z",
                "It begins with a letter, and has letters, digits and _ only.",
            )
        ],
        help_text="In FieldValues and in queries.",
    )
    label = models.CharField(max_length=255, blank=True, help_text="For people.")
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=10, choices=FieldKind.choices)
    required = models.BooleanField(default=False)
    #: Of a choice: the texts, in the order in which people choose from them.
    choices = models.JSONField(default=list, blank=True)
    order_number = models.IntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "account",
                "entity_type",
                Lower("name"),
                condition=Q(project=None),
                name="one_custom_field_of_all_projects_per_name",
            ),
            models.UniqueConstraint(
                "account", "entity_type", Lower("name"), "project", name="one_custom_field_per_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what would mean two things, or nothing."""
        problems: dict[str, Any] = {}
        if self.project is not None:
            if self.entity_type == FieldOf.EXTERNAL_SYSTEM:
                problems["project"] = "External systems belong to no project."
            elif self.project.account_id != self.account_id:
                problems["project"] = "It is of another account."
        if self.name.lower() in fields.all_fields():
            problems["name"] = "Queries know a field of this name already."
        elif fields.is_reserved(self.name):
            problems["name"] = "Queries mean something else by this word."
        elif self._others().exists():
            problems["name"] = "There is a field of this name already."
        wrong = _problem_of(self.choices, is_choice=self.kind == FieldKind.CHOICE)
        if wrong:
            problems["choices"] = wrong
        if problems:
            raise ValidationError(problems)

    def _others(self) -> models.QuerySet[CustomField]:
        """Return the fields that an entity could have beside this one under the same name."""
        others = CustomField.objects.filter(
            account=self.account_id, entity_type=self.entity_type, name__iexact=self.name
        ).exclude(pk=self.pk)
        if self.project_id is None:
            return others
        return others.filter(Q(project=None) | Q(project=self.project_id))


def _problem_of(choices: Any, *, is_choice: bool) -> str:
    if not isinstance(choices, list):
        return 'It must be a JSON array of texts: ["Windows", "Linux"].'
    if bool(choices) != is_choice:
        return "A choice has some; other kinds have none."
    if len(choices) > MOST_CHOICES:
        return f"There are at most {MOST_CHOICES}."
    for choice in choices:
        if not isinstance(choice, str) or not 0 < len(choice.strip()) <= LONGEST_CHOICE:
            return f"Each is a text of 1 to {LONGEST_CHOICE} characters."
        validate_word(choice)
    if len({choice.casefold() for choice in choices}) != len(choices):
        return "One is there twice."
    return ""
