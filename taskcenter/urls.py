"""Where everything is mounted."""

from django.contrib import admin
from django.urls import include, path

from taskcenter import health

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("", include("backgroundtasks.urls")),
]

# Under /api/ errors are JSON, also where no view is reached.
handler400 = "backgroundtasks.api.enterprise_tester.errors.bad_request"
handler404 = "backgroundtasks.api.enterprise_tester.errors.not_found"
handler500 = "backgroundtasks.api.enterprise_tester.errors.server_error"
