"""The HTML directory in a real browser: a task's whole life by clicks, and how pages fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from backgroundtasks.models import Schedule
from tests.support import browser
from tests.support.arcgis import ROOT, TASKS, user
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.live_server_helper import LiveServer
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.acceptance]

PHONE = 360


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    """One browser for all: its start takes longest."""
    with browser.started() as chrome:
        yield chrome


class Person:
    """Somebody who reads, clicks and types."""

    def __init__(self, chrome: Chrome, server: LiveServer) -> None:
        self.chrome = chrome
        self.server = server
        who = user(username="ann")
        who.set_password("sesame-42")
        who.save()

    def open(self, path: str) -> None:
        self.chrome.get(f"{self.server.url}{path}")

    def sign_in(self, path: str = ROOT) -> None:
        self.chrome.delete_all_cookies()
        self.open(path)
        self.type("username", "ann")
        self.type("password", "sesame-42")
        self.press("Sign in")
        assert self.at == path

    @property
    def at(self) -> str:
        return self.chrome.current_url.removeprefix(self.server.url)

    @property
    def text(self) -> str:
        return self.chrome.find_element(By.TAG_NAME, "main").text

    @property
    def heading(self) -> str:
        return self.chrome.find_element(By.TAG_NAME, "h1").text

    def field(self, name: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, f"main [name='{name}']")

    def follow(self, link: str) -> None:
        self._go(self.chrome.find_element(By.LINK_TEXT, link))

    def press(self, button: str) -> None:
        self._go(self.chrome.find_element(By.XPATH, f"//button[.='{button}']"))

    def _go(self, element: WebElement) -> None:
        page = self.chrome.find_element(By.TAG_NAME, "html")
        # As by keyboard: a click needs it in view, and nothing above it.
        element.send_keys(Keys.ENTER)
        wait_for(lambda: is_gone(page), "the next page", limit=browser.LIMIT)

    def type(self, name: str, text: str) -> None:
        field = self.field(name)
        field.clear()
        field.send_keys(text)

    def member(self, name: str) -> str:
        """Return what the table says of a member."""
        path = f"//table[@class='properties']//tr[th='{name}']/td"
        return self.chrome.find_element(By.XPATH, path).text

    def measure(self, script: str) -> Any:
        return self.chrome.execute_script(f"return {script}")

    def show(self, *, width: int = 1200, scheme: str = "light") -> None:
        """Choose the width of the window, and light or dark."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self) -> list[str]:
        """Return what the browser has refused or missed, a page's own policy included."""
        return [
            line["message"]
            for line in self.chrome.get_log("browser")
            # What the test sends on purpose to be refused.
            if "status of 400" not in line["message"]
        ]


@pytest.fixture
def ann(chrome: Chrome, live_server: LiveServer) -> Iterator[Person]:
    ann = Person(chrome, live_server)
    ann.show()
    yield ann
    assert ann.complaints() == []


def test_a_task_is_made_mended_disabled_run_and_deleted_by_clicks(ann: Person) -> None:
    ann.sign_in()
    ann.follow("system")
    ann.follow("tasks")
    assert "There are none." in ann.text

    ann.follow("Create Task")
    Select(ann.field("type")).select_by_value("ShortWork")
    ann.type("title", "Count <b>sheep</b>")
    ann.type("parameters", "{}")
    ann.type("minute", "77")
    ann.press("Create Task")
    assert "no minute" in ann.text
    assert ann.field("title").get_attribute("value") == "Count <b>sheep</b>"
    ann.type("minute", "30")
    ann.press("Create Task")
    task = Schedule.objects.get()
    assert ann.at == f"{TASKS}/{task.pk.hex}"
    assert ann.heading == "Count <b>sheep</b>"
    assert "Create Task: done." in ann.text
    assert ann.member("cronExpression") == "0 30 2 * * ?"

    ann.follow("Disable Task")
    ann.press("Disable Task")
    assert ann.member("taskState") == "paused"

    ann.follow("Run Task")
    ann.press("Run Task")
    assert ann.heading == "Run of Count <b>sheep</b>"
    with WorkerCommand(workers=1) as command:

        def succeeded() -> bool:
            if ann.member("status") == "succeeded":
                return True
            ann.follow("Look again")
            return False

        wait_for(succeeded, lambda: f"the run; {command.log()}", limit=browser.LIMIT)
    assert ann.member("percentComplete") == "100 %"
    assert "UTC" in ann.member("finished")

    ann.follow("runs")
    assert "succeeded" in ann.text
    ann.follow(task.pk.hex)
    ann.follow("Delete Task")
    assert "This cannot be undone." in ann.text
    ann.press("Delete Task")
    assert ann.at == TASKS
    assert "Delete Task: done." in ann.text
    assert not Schedule.objects.exists()

    ann.press("Sign out")
    ann.open(TASKS)
    assert ann.heading == "Sign in"


def test_pages_fit_a_phone_follow_the_dark_and_work_by_keyboard(ann: Person) -> None:
    ann.open(ROOT)
    ann.show(width=PHONE)
    assert_fits(ann)
    ann.sign_in(TASKS)
    ann.follow("Create Task")
    Select(ann.field("type")).select_by_value("ShortWork")
    ann.type("title", "x" * 150)
    ann.type("parameters", "{}")
    ann.press("Create Task")
    task = ann.at
    ann.follow("Run Task")
    ann.press("Run Task")

    for path in (ann.at, TASKS, task, f"{task}/runs", f"{task}/update", f"{task}/delete"):
        ann.open(path)
        assert_fits(ann)

    ann.open(TASKS)
    ann.show(scheme="light")
    light = ann.measure("getComputedStyle(document.body).backgroundColor")
    ann.show(scheme="dark")
    dark = ann.measure("getComputedStyle(document.body).backgroundColor")
    assert brightness(light) > 200
    assert brightness(dark) < 50

    ann.chrome.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    first = ann.chrome.switch_to.active_element
    assert first.text == "Skip to the content"
    assert first.rect["x"] >= 0
    assert ann.measure("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    first.send_keys(Keys.ENTER)
    assert ann.at == f"{TASKS}#content"


def is_gone(element: WebElement) -> bool:
    """Return whether the page that an element was found on is no longer shown."""
    try:
        element.is_enabled()
    except WebDriverException:  # it is stale, or of no document at this very moment
        return True
    return False


def assert_fits(ann: Person) -> None:
    """Nobody has to scroll sideways."""
    assert ann.measure("document.documentElement.scrollWidth") <= PHONE, ann.at


def brightness(colour: str) -> int:
    """Return the brightest part of `rgb(1, 2, 3)`."""
    return max(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
