"""The app's configuration."""

from django.apps import AppConfig


class BackgroundTasksConfig(AppConfig):
    """The core: durable runs, their handlers, their APIs."""

    name = "backgroundtasks"
    verbose_name = "Background tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the handlers of every app, and connect the start-up checks."""
        # Here, not above: models may only be imported once the apps are loaded.
        from backgroundtasks import checks  # noqa: F401, PLC0415 - registers itself
        from backgroundtasks.handlers import registry  # noqa: PLC0415

        registry.discover()
