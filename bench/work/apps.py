"""The app's configuration."""

from django.apps import AppConfig


class WorkConfig(AppConfig):
    """An app of handlers."""

    name = "bench.work"
    label = "benchwork"
