"""The app's configuration."""

from django.apps import AppConfig


class BackgroundTasksConfig(AppConfig):
    """The core: durable runs, their handlers, their APIs."""

    name = "backgroundtasks"
    verbose_name = "Background tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the handlers of every app, and connect what only meets here."""
        # Here, not above: models may only be imported once the apps are loaded.
        from backgroundtasks import checks  # noqa: F401, PLC0415 - registers itself
        from backgroundtasks.engine import children  # noqa: PLC0415
        from backgroundtasks.handlers import registry  # noqa: PLC0415
        from backgroundtasks.operations.start_child import start_child  # noqa: PLC0415

        children.install(start_child)
        registry.discover()
