"""The app's configuration."""

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    """Projects, tests and their results, incidents and the tickets in trackers."""

    name = "tickets"
    verbose_name = "Test results"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the core and the search index what is ours: documents, sealed columns, leftovers."""
        # Here, not above: models may only be imported once the apps are loaded.
        from backgroundtasks.handlers import leftovers, secrets  # noqa: PLC0415
        from tickets import attachments, documents, uploads  # noqa: PLC0415
        from tickets.models import ExternalSystem  # noqa: PLC0415

        documents.register()
        secrets.register_column(ExternalSystem, "credentials")
        leftovers.register("files", uploads.remove_leftovers)
        leftovers.register("attachments", attachments.remove_leftovers)
