"""
The product's settings, for stock django-q2 beside it on the same database.

What it is given is what makes it fast: results are kept without a limit (trimming them at
each save drains at a fifth), connections persist (`CONN_MAX_AGE` of the product's settings).
"""

from taskcenter.settings import *  # noqa: F403
from taskcenter.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework", "django_q", "bench.stock"]

ROOT_URLCONF = "bench.stock.urls"
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}

Q_CLUSTER = {
    "name": "bench",
    "orm": "default",
    "workers": 2,
    "save_limit": 0,
    # Longer than any round: a task is never given out twice.
    "timeout": 600,
    "retry": 1200,
}
