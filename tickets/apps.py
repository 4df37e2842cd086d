"""The app's configuration."""

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    """Projects, automated tests and their results."""

    name = "tickets"
    verbose_name = "Test results"
    default_auto_field = "django.db.models.BigAutoField"
