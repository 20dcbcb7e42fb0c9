"""`voxelmill view` in a real browser: labels are drawn over the image, where they are."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from view_samples import EDGE, objects, results

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason="no chromium and chromedriver on this machine"
    ),
    pytest.mark.skipif(find_spec("neuroglancer") is None, reason="neuroglancer is not installed"),
]
PATIENCE_S = 90
PANEL = ".neuroglancer-rendered-data-panel"
READY = "return Boolean(window.viewer?.layerManager.managedLayers.length && viewer.isReady())"
MIDDLE = """
const panel = arguments[0], box = panel.getBoundingClientRect();
return [box.left + panel.clientLeft + Math.floor(panel.clientWidth / 2),
        box.top + panel.clientTop + Math.floor(panel.clientHeight / 2)];
"""
FRAMES = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
Pixels = NDArray[Any]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address that a running `voxelmill view` prints; in the end it is interrupted."""
    folder = results(tmp_path_factory.mktemp("view"))
    command = [sys.executable, "-m", "voxelmill", "view", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+", process.stdout.readline())
        assert found
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = str(BROWSER)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--window-size=1400,1000",
        # WebGL without a graphics card.
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        # Whatever is not this machine must fail, and so show up as an error.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome, address: str) -> Iterator[webdriver.Chrome]:
    """The list of images; afterwards nothing may have failed, or been asked of another host."""
    browser.get(address)
    yield browser
    log = browser.get_log("browser")
    assert [e for e in log if e["level"] in ("SEVERE", "WARNING") or "Error" in e["message"]] == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == SENT]
    assert asked
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} == {"127.0.0.1"}


SENT = "Network.requestWillBeSent"


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, "the viewer does not get ready"
        time.sleep(0.2)


def picture(page: webdriver.Chrome, scale: int) -> Pixels:
    """Image area of the panel (y, x, 3), sampled at the centre of every `scale`-th voxel."""
    page.execute_script(f"viewer.navigationState.zoomFactor.value = {scale}")
    page.execute_async_script(FRAMES)
    wait_for(lambda: bool(page.execute_script(READY)))
    shot = shown(page)
    # A frame that is drawn just now may lack the last chunk.
    wait_for(lambda: still(page, shot))
    middle = page.execute_script(MIDDLE, page.find_element(By.CSS_SELECTOR, PANEL))
    at = (np.arange(0, EDGE, scale) + 0.5 - EDGE / 2) / scale
    x, y = (np.floor(centre + at).astype(int) for centre in middle)
    return shot[-1][np.ix_(y, x)].astype(int)


def shown(page: webdriver.Chrome) -> list[Pixels]:
    data = np.frombuffer(page.get_screenshot_as_png(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert image is not None
    return [image]


def still(page: webdriver.Chrome, last: list[Pixels]) -> bool:
    last += shown(page)
    return bool((last[-1] == last[-2]).all())


def coloured(image: Pixels) -> NDArray[np.bool_]:
    return np.asarray(image.max(axis=2) - image.min(axis=2) > 30)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def show_labels(page: webdriver.Chrome, *, on: bool) -> None:
    layer = "viewer.layerManager.getLayerByName('nuclei')"
    page.execute_script(f"{layer}.setVisible({str(on).lower()})")


def open_image(page: webdriver.Chrome, name: str) -> None:
    page.find_element(By.LINK_TEXT, name).click()
    wait_for(lambda: bool(page.execute_script(READY)))


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_labels_are_drawn_over_the_image(page: webdriver.Chrome, scale: int) -> None:
    """At full size, and from smaller levels of the pyramids."""
    open_image(page, "B/03/0")
    mask = objects()[0, ::scale, ::scale] > 0
    over = picture(page, scale)
    assert overlap(coloured(over), mask) > 0.99
    show_labels(page, on=False)
    plain = picture(page, scale)
    assert not coloured(plain).any()
    # The image itself is there: objects are bright, and shine through.
    inside, outside = plain[mask].mean(), plain[~mask].mean()
    assert inside > outside + 60
    assert (over[~mask] == plain[~mask]).mean() > 0.9


def test_objects_have_colours_of_their_own(page: webdriver.Chrome) -> None:
    open_image(page, "B/03/0")
    over, labels = picture(page, 1), objects()[0]
    ids = np.unique(labels)[1:]
    means = np.array([over[labels == i].mean(axis=0) for i in ids])
    assert len(ids) > 20
    assert len({tuple(np.rint(mean / 8).astype(int)) for mean in means}) > len(ids) / 2


def test_an_image_without_labels_opens(page: webdriver.Chrome) -> None:
    open_image(page, "B/03/1")
    plain = picture(page, 1)
    assert not coloured(plain).any()
    assert plain.max() > 150


def test_hostile_names_do_nothing(page: webdriver.Chrome) -> None:
    assert page.find_elements(By.CSS_SELECTOR, "img, script") == []
    assert "onerror" in page.find_element(By.CSS_SELECTOR, "tbody").text


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_sticks_out(page: webdriver.Chrome, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
