"""The product's settings, with task types that do what their parameters order."""

from __future__ import annotations

import json
import os
from datetime import timedelta

from taskcenter.settings import *  # noqa: F403
from taskcenter.settings import INSTALLED_APPS, TASKCENTER

INSTALLED_APPS = [*INSTALLED_APPS, "tests.work"]

# Fast enough for tests that log in; never outside them.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Look for a static file when one is asked for: each of the tests' thousands of clients has
# middleware of its own, which would look for all of them.
WHITENOISE_AUTOREFRESH = True

# No test's data need outlive the machine, so on PostgreSQL no commit waits for its disk; libpq
# reads this in every process that a test starts.
os.environ.setdefault("PGOPTIONS", "-c synchronous_commit=off")

# Tests make their schedules themselves, and count what runs.
TASKCENTER = TASKCENTER | {"SYSTEM_TASKS": ()}

# The object stores of tests are on this machine.
TASKCENTER = TASKCENTER | {"S3_NETWORKS": ("127.0.0.0/8", "10.0.0.0/8")}

# Real processes of a test get numbers of their own: seconds for durations.
TASKCENTER = TASKCENTER | {
    name: timedelta(seconds=value) if isinstance(value, float) else value
    for name, value in json.loads(os.environ.get("TASKCENTER_TEST_NUMBERS", "{}")).items()
}
