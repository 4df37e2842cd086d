"""
What a feature app needs to offer resources of its own in the Enterprise Tester dialect.

    from backgroundtasks.api import kit

    class Project(kit.ResourceView):
        def get(self, request, project_id):
            project = find_project(self.actor.account, project_id)   # or raise kit.NotFound(…)
            return kit.Response(represent(project))

        def delete(self, request, project_id):
            key = kit.read_idempotency(request, kit.digest_of(b""))
            submission = operations.submit(self.actor, "DeleteProject", {…}, idempotency=key)
            return kit.started(request, submission)

    urlpatterns = [kit.route("api/project/<guid:project_id>", Project, "project")]
    kit.register_root("Projects", "Projects", "projects", ("GET", "POST"), odata=True)
"""

from rest_framework.response import Response

from backgroundtasks.api.authentication import READ, WRITE
from backgroundtasks.api.body import parse_object, read_bytes
from backgroundtasks.api.enterprise_tester.links import absolute, by_id, link
from backgroundtasks.api.enterprise_tester.openapi import (
    BOOLEAN,
    COUNT,
    EXPAND,
    GUID,
    IDEMPOTENCY_KEY,
    MOMENT,
    NULLABLE_GUID,
    NULLABLE_MOMENT,
    NULLABLE_TEXT,
    OBJECT,
    ODATA,
    PAGING,
    TEXT,
    TQL,
    URL,
    WHOLE,
    array_of,
    component,
    describe,
    entity,
    page_of,
    parameter,
    partial,
    ref,
)
from backgroundtasks.api.enterprise_tester.paging import (
    envelope,
    expansions,
    filtered,
    ordered,
    page,
    read_slice,
    unexpanded,
)
from backgroundtasks.api.enterprise_tester.rendering import dumps, moment
from backgroundtasks.api.enterprise_tester.resource import ResourceView
from backgroundtasks.api.enterprise_tester.roots import register_root
from backgroundtasks.api.enterprise_tester.started import started
from backgroundtasks.api.errors import (
    ApiError,
    BadRequest,
    Busy,
    Conflict,
    Failed,
    MediaTypeRefused,
    NotFound,
    Refused,
    TooLarge,
    Unauthenticated,
)
from backgroundtasks.api.idempotency import digest_of, read_idempotency
from backgroundtasks.api.routing import route

__all__ = [
    "BOOLEAN",
    "COUNT",
    "EXPAND",
    "GUID",
    "IDEMPOTENCY_KEY",
    "MOMENT",
    "NULLABLE_GUID",
    "NULLABLE_MOMENT",
    "NULLABLE_TEXT",
    "OBJECT",
    "ODATA",
    "PAGING",
    "READ",
    "TEXT",
    "TQL",
    "URL",
    "WHOLE",
    "WRITE",
    "ApiError",
    "BadRequest",
    "Busy",
    "Conflict",
    "Failed",
    "MediaTypeRefused",
    "NotFound",
    "Refused",
    "ResourceView",
    "Response",
    "TooLarge",
    "Unauthenticated",
    "absolute",
    "array_of",
    "by_id",
    "component",
    "describe",
    "digest_of",
    "dumps",
    "entity",
    "envelope",
    "expansions",
    "filtered",
    "link",
    "moment",
    "ordered",
    "page",
    "page_of",
    "parameter",
    "parse_object",
    "partial",
    "read_bytes",
    "read_idempotency",
    "read_slice",
    "ref",
    "register_root",
    "route",
    "started",
    "unexpanded",
]
