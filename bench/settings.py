"""The product's settings, with the bench's task types."""

from taskcenter.settings import *  # noqa: F403
from taskcenter.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench.work"]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody logs in
