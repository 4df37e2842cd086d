"""Debian's Chromium without a window, driven by Selenium; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

LIMIT = 90  # seconds, for whatever is waited for
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # CI may be root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
_NO_SCRIPT = {"profile.managed_default_content_settings.javascript": 2}


def find() -> tuple[str, str]:
    """Return browser and driver; skip without them, or fail if `REQUIRE_BROWSER` is set."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    missing = "needs chromium and chromedriver (Debian: chromium, chromium-driver)"
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(f"{missing}, and REQUIRE_BROWSER is set")
    pytest.skip(missing)


@contextmanager
def started() -> Iterator[Chrome]:
    """Start a browser that runs no script of a page."""
    browser, driver = find()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in _OPTIONS:
        options.add_argument(option)
    options.add_experimental_option("prefs", _NO_SCRIPT)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        chrome.set_page_load_timeout(LIMIT)
        yield chrome
    finally:
        chrome.quit()
