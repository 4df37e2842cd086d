"""The app's configuration."""

from django.apps import AppConfig


class IndexingConfig(AppConfig):
    """The search index."""

    name = "indexing"
    verbose_name = "Search index"
    default_auto_field = "django.db.models.BigAutoField"
