"""Backups lie in folders of the test's own."""

from tests.support.maintenance import installation as installation  # noqa: PLC0414 - a fixture
