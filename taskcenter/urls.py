"""Where everything is mounted."""

from django.contrib import admin
from django.urls import include, path

from taskcenter import health, metrics

admin.site.site_header = admin.site.site_title = "Task center"
admin.site.index_title = "Operators"

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("admin/", admin.site.urls),
    path("", include("backgroundtasks.urls")),
    path("", include("indexing.api.urls")),
    path("", include("tickets.api.urls")),
]

# Below a dialect's paths errors have its shape, also where no view is reached.
handler400 = "backgroundtasks.api.unrouted.bad_request"
handler404 = "backgroundtasks.api.unrouted.not_found"
handler500 = "backgroundtasks.api.unrouted.server_error"
