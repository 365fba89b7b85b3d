"""Headless Chromium for tests of pages: no network, a new profile, everything that it says kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

# Runs before any script of a page: whatever a page should not do leaves a trace here.
WATCH = """
window.seen = {violations: [], errors: [], dialogs: []};
for (const name of ["alert", "confirm", "prompt"]) window[name] = (said) => { window.seen.dialogs.push(String(said)); };
addEventListener("securitypolicyviolation", (e) => {
  window.seen.violations.push(e.violatedDirective + " " + e.blockedURI);
});
addEventListener("error", (e) => window.seen.errors.push(String(e.message)));
"""


def need_chromium() -> None:
    """Without a browser these tests cannot run: said on a developer's machine, a failure where ``CI`` is set."""
    if CHROMIUM and DRIVER:
        return
    said = "Chromium is missing: apt-get install chromium chromium-driver"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


class Page:
    """A page that is open."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._cdp("Emulation.setEmulatedMedia", features=[scheme])
        self._cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        self.driver.get(path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    @property
    def complaints(self) -> list[str]:
        """Everything that should not happen: blocked or run scripts, errors, dialogs, what the console says."""
        seen = self.run("return window.seen")
        return [*seen["violations"], *seen["errors"], *seen["dialogs"], *(e["message"] for e in self._console())]

    def violations_of_wcag(self) -> list[str]:
        """What axe-core finds wrong with the page, as ``rule: element``."""
        self.run(AXE)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']}).then("
            "r => done(r.violations), e => done(String(e)))"
        )
        assert isinstance(found, list), found
        return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"]]

    def _console(self) -> list[dict[str, Any]]:
        return self.driver.get_log("browser")

    def _cdp(self, command: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser with a new profile in the folder ``profile``."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        yield Page(driver)
    finally:
        driver.quit()
