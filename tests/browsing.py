"""Pages in a headless Chromium, and axe-core, which judges whether everybody can use them."""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
AXE = "axe-core-4.14.1"
CACHE = Path(__file__).resolve().parents[1] / "build" / "npm"
NPM_S = 60
needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no chromium and chromedriver on this machine"
)


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """Start a browser that reaches nothing but files."""
    options = Options()
    options.binary_location = str(BROWSER)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--force-prefers-reduced-motion",
        "--window-size=1400,1000",
        # Whatever is not the file itself must fail, and so show up as an error.
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def complaints(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    """Errors and warnings of the console since it was last asked."""
    return [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]


def one(root: webdriver.Chrome | WebElement, selector: str) -> WebElement:
    return root.find_element(By.CSS_SELECTOR, selector)


def many(root: webdriver.Chrome | WebElement, selector: str) -> list[WebElement]:
    return root.find_elements(By.CSS_SELECTOR, selector)


def visible(root: webdriver.Chrome | WebElement, selector: str) -> list[WebElement]:
    return [e for e in many(root, selector) if e.is_displayed()]


@contextmanager
def width(browser: webdriver.Chrome, pixels: int) -> Iterator[None]:
    """Make the window so wide for a while."""
    size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@contextmanager
def media(browser: webdriver.Chrome, scheme: str = "light", kind: str = "") -> Iterator[None]:
    """Show pages dark or light, or as they are printed, for a while."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def axe_source() -> str:
    """Script of axe-core, fetched once by npm; the test skips where npm is not, or gets nothing."""
    archive = CACHE / f"{AXE}.tgz"
    if not archive.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm on this machine to fetch axe-core with")
        CACHE.mkdir(parents=True, exist_ok=True)
        wanted = "@".join(AXE.rsplit("-", 1))
        try:
            subprocess.run(
                [npm, "pack", wanted, "--pack-destination", str(CACHE)],
                check=True, capture_output=True, timeout=NPM_S, cwd=CACHE,
            )  # fmt: skip
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"axe-core cannot be fetched with npm: {error}")
    with tarfile.open(archive) as package:
        member = package.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def violations(browser: webdriver.Chrome, source: str) -> list[tuple[str, str, list[str]]]:
    """Serious and critical violations on the page: rule, what it asks for, elements."""
    browser.execute_script(source)
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations));"
    )
    return [
        (
            rule["id"],
            rule["help"],
            [str(node["target"]) + node["html"][:150] for node in rule["nodes"]][:4],
        )
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]
