"""What the app stores: one file per model."""

from tickets.models.automated_test import AutomatedTest
from tickets.models.automated_test_assignment import AutomatedTestAssignment
from tickets.models.automated_test_run import AutomatedTestRun, Stage
from tickets.models.execution_package import ExecutionPackage
from tickets.models.project import Project
from tickets.models.result_node import ResultNode

__all__ = [
    "AutomatedTest",
    "AutomatedTestAssignment",
    "AutomatedTestRun",
    "ExecutionPackage",
    "Project",
    "ResultNode",
    "Stage",
]
