"""
Removing what has results below it: the results go first, in short transactions.

What is removed stays visible, empty, until its own turn comes; a removal that was interrupted
is finished by asking again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from indexing import documents
from tickets import staging
from tickets.models import (
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet


def remove_assignments(assignments: QuerySet[AutomatedTestAssignment]) -> None:
    """Remove assignments with their runs."""
    for assignment in list(assignments):
        staging.discard_all(AutomatedTestRun.objects.filter(assignment=assignment))
        with transaction.atomic():
            documents.remove(AutomatedTestAssignment, [assignment.pk])
            assignment.delete()


def remove_test(test: AutomatedTest) -> None:
    """Remove an automated test with its assignments and their runs."""
    remove_assignments(AutomatedTestAssignment.objects.filter(automated_test=test))
    with transaction.atomic():
        documents.remove(AutomatedTest, [test.pk])
        test.delete()


def remove_package(package: ExecutionPackage) -> None:
    """Remove an execution package with all that is in it; tests that name it lose it."""
    for child in list(ExecutionPackage.objects.filter(parent=package)):
        remove_package(child)
    remove_assignments(AutomatedTestAssignment.objects.filter(package=package))
    with transaction.atomic():
        tests = list(AutomatedTest.objects.filter(package=package).values_list("pk", flat=True))
        documents.remove(ExecutionPackage, [package.pk])
        package.delete()
        documents.index(AutomatedTest, tests)
