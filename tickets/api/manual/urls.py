"""Where the resources of manual tests are."""

from __future__ import annotations

from backgroundtasks.api import kit
from tickets.api.manual.agile_runs import AgileRunById, AgileRuns
from tickets.api.manual.assignments import (
    AssignmentsOfScript,
    ScriptAssignmentById,
    ScriptAssignments,
)
from tickets.api.manual.runs import ScriptAssignmentRuns, ScriptRunById, ScriptRuns, StepResultById
from tickets.api.manual.scripts import ScriptById, Scripts

_SCRIPT = "api/script/<guid:script_id>"
_ASSIGNMENT = "api/scriptassignment/<guid:script_assignment_id>"

urlpatterns = [
    kit.route("api/scripts", Scripts, "scripts"),
    kit.route(_SCRIPT, ScriptById, "script"),
    kit.route(f"{_SCRIPT}/assignments", AssignmentsOfScript, "script-assignments"),
    kit.route("api/scriptassignments", ScriptAssignments, "scriptassignments"),
    kit.route(_ASSIGNMENT, ScriptAssignmentById, "scriptassignment"),
    kit.route(f"{_ASSIGNMENT}/runs", ScriptAssignmentRuns, "scriptassignment-runs"),
    kit.route("api/scriptruns", ScriptRuns, "scriptruns"),
    kit.route("api/scriptrun/<guid:script_run_id>", ScriptRunById, "scriptrun"),
    kit.route("api/stepresult/<guid:step_result_id>", StepResultById, "stepresult"),
    kit.route("api/agileruns", AgileRuns, "agileruns"),
    kit.route("api/agilerun/<guid:agile_run_id>", AgileRunById, "agilerun"),
]

kit.register_root(
    "Scripts",
    "Scripts",
    "scripts",
    ("GET", "POST"),
    description="Tests that people run by hand",
    odata=True,
    tql=True,
)
kit.register_root(
    "ScriptAssignments",
    "Script Assignments",
    "scriptassignments",
    ("GET", "POST"),
    description="Scripts in execution packages; their runs begin here",
    odata=True,
    tql=True,
)
kit.register_root(
    "ScriptRuns",
    "Script Runs",
    "scriptruns",
    ("GET",),
    description="Runs of scripts with the results of their steps",
    odata=True,
    tql=True,
)
kit.register_root(
    "AgileRuns",
    "Agile Runs",
    "agileruns",
    ("GET", "POST"),
    description="Tests that are written while they are run",
    odata=True,
    tql=True,
)
