"""Where everything is mounted."""

from django.contrib import admin
from django.urls import path

from taskcenter import health

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
]
