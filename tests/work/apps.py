"""An app whose task types do as they are told."""

from django.apps import AppConfig


class WorkConfig(AppConfig):
    name = "tests.work"
    label = "testwork"
