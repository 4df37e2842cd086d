"""As the other side's settings, without any middleware: the least that Django can do."""

from bench.stock.settings import *  # noqa: F403

MIDDLEWARE: list[str] = []
