"""Where the reference views are."""

from django.urls import path

from bench.stock import views

urlpatterns = [
    path("livez", views.livez),
    path("run/<uuid:run_id>", views.run),
    path("jobs", views.Jobs.as_view()),
]
