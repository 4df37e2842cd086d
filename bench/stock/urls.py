"""Where the reference views are."""

from django.urls import path

from bench.stock import views

urlpatterns = [
    path("livez", views.livez),
    path("run/<uuid:run_id>", views.run),
    path("task/<uuid:run_id>", views.task),
    path("statuses/<int:count>", views.statuses),
    path("jobs", views.Jobs.as_view()),
]
