"""The API below an application path, as the vendor's server has it."""

from django.urls import include, path

urlpatterns = [
    path("EnterpriseTester/", include("backgroundtasks.urls")),
    path("EnterpriseTester/", include("indexing.api.urls")),
    path("EnterpriseTester/", include("tickets.api.urls")),
]
