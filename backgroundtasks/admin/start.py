"""Start a task: choose its type, then fill in a form made from its handler's serializer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from backgroundtasks import exceptions, operations, queries
from backgroundtasks.admin import looks, scope
from backgroundtasks.handlers import registry
from backgroundtasks.handlers.forms import ParametersForm
from backgroundtasks.operations import Timing

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from backgroundtasks.handlers import TaskHandler
    from backgroundtasks.models import Schedule


class GeneralForm(forms.Form):
    """What is not the handler's."""

    title = forms.CharField(
        max_length=200, required=False, help_text="for people; the type's own by default"
    )
    expression = forms.CharField(
        label="when",
        max_length=200,
        required=False,
        help_text="empty: once, now. Again and again: Quartz cron, in UTC, such as 0 0 4 ? * MON-FRI",
    )
    labels = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "team=core"}),
        help_text="for people and their filters; one a line: name=value",
    )

    def clean_labels(self) -> dict[str, str]:
        """Return the labels by name."""
        found = {}
        for line in filter(None, map(str.strip, self.cleaned_data["labels"].splitlines())):
            name, equals, value = line.partition("=")
            if not equals:
                raise forms.ValidationError(f"This is not written as name=value: {line}")
            found[name.strip()] = value.strip()
        return found


def show(request: HttpRequest, *, model_admin: ModelAdmin[Any]) -> HttpResponse:
    """Show the types, or the form of the chosen one; start it when that is sent."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    handler = registry.find(request.GET.get("type", ""))
    if handler is None:
        return _choose(request, model_admin)
    sent = request.POST if request.method == "POST" else None
    general = GeneralForm(sent)
    parameters = ParametersForm(handler, sent)
    if sent is not None and general.is_valid() and parameters.is_valid():
        run = _started(request, handler, general, parameters)
        if run is not None:
            return run
    context = _context(request, model_admin) | {
        "title": f"Start {handler.task_type}",
        "subtitle": handler.title(),
        "forms": [general, parameters],
        "handler": handler,
    }
    return TemplateResponse(request, "admin/backgroundtasks/task/start.html", context)


def _choose(request: HttpRequest, model_admin: ModelAdmin[Any]) -> HttpResponse:
    """Show the types, with what the user lacks for those that may not be started."""
    context = _context(request, model_admin) | {
        "title": "Start a task",
        "types": [
            {
                "type": found.handler.task_type,
                "title": found.handler.title(),
                "queue": found.handler.queue,
                "lack": found.lack,
            }
            for found in queries.list_task_types(scope.actor(request))
        ],
    }
    return TemplateResponse(request, "admin/backgroundtasks/task/choose.html", context)


def _context(request: HttpRequest, model_admin: ModelAdmin[Any]) -> dict[str, Any]:
    return model_admin.admin_site.each_context(request) | {
        "opts": model_admin.opts,
        "media": model_admin.media,
        "account": scope.actor(request).account,
        "accounts": scope.accounts(request),
    }


def _started(
    request: HttpRequest,
    handler: type[TaskHandler],
    general: GeneralForm,
    parameters: ParametersForm,
) -> HttpResponse | None:
    """Start the task and go to its run; None when it was refused, with the reason in the form."""
    expression = general.cleaned_data["expression"]
    try:
        if expression:
            schedule = operations.create_schedule(
                scope.actor(request),
                handler.task_type,
                parameters.given(),
                Timing(expression),
                title=general.cleaned_data["title"],
                labels=general.cleaned_data["labels"],
            )
            return _scheduled(request, schedule)
        submission = operations.submit(
            scope.actor(request),
            handler.task_type,
            parameters.given(),
            title=general.cleaned_data["title"],
            labels=general.cleaned_data["labels"],
        )
    except exceptions.ParametersInvalid as error:
        parameters.show(error.problems)
        return None
    except exceptions.ScheduleInvalid as error:
        general.add_error("expression", list(error.problems.values()))
        return None
    except exceptions.LabelsInvalid as error:
        general.add_error("labels", str(error))
        return None
    except exceptions.TaskCenterError as error:
        parameters.add_error(None, str(error))
        return None
    messages.success(
        request,
        format_html("{} is queued as {}.", handler.task_type, looks.run_link(submission.run_id)),
    )
    return HttpResponseRedirect(
        reverse("admin:backgroundtasks_taskstatus_change", args=[submission.run_id])
    )


def _scheduled(request: HttpRequest, schedule: Schedule) -> HttpResponse:
    messages.success(request, f"{schedule.task.task_type} runs next at {schedule.next_at:%c} UTC.")
    return HttpResponseRedirect(
        reverse("admin:backgroundtasks_schedule_change", args=[schedule.pk])
    )
