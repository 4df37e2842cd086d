"""The app's configuration."""

from django.apps import AppConfig


class StockConfig(AppConfig):
    """An app with one model, which the reference view inserts."""

    name = "bench.stock"
    label = "benchstock"
    default_auto_field = "django.db.models.BigAutoField"
