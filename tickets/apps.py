"""The app's configuration."""

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    """Projects, automated tests and their results."""

    name = "tickets"
    verbose_name = "Test results"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the search index what there is to be found."""
        # Here, not above: models may only be imported once the apps are loaded.
        from tickets import documents  # noqa: PLC0415

        documents.register()
