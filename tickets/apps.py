"""The app's configuration."""

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    """Projects, tests and their results, incidents and the tickets in trackers."""

    name = "tickets"
    verbose_name = "Test results"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the search index what there is to be found, and the rotation of keys what is sealed."""
        # Here, not above: models may only be imported once the apps are loaded.
        from backgroundtasks.handlers import secrets  # noqa: PLC0415
        from tickets import documents  # noqa: PLC0415
        from tickets.models import ExternalSystem  # noqa: PLC0415

        documents.register()
        secrets.register_column(ExternalSystem, "credentials")
