"""The report in a real browser: it starts without errors, reacts, and runs no hostile text."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from report_samples import SETS, hostile, plate
from voxelmill.report import ReportData, render

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no chromium and chromedriver on this machine"
)
Show = Callable[[ReportData], webdriver.Chrome]


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
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
    yield driver
    driver.quit()


@pytest.fixture
def show(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Show]:
    def _show(data: ReportData) -> webdriver.Chrome:
        path = tmp_path / "report.html"
        path.write_text(render(data), encoding="utf-8")
        browser.get(path.as_uri())
        return browser

    yield _show
    severe = [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
    assert severe == []


def one(root: webdriver.Chrome | WebElement, selector: str) -> WebElement:
    return root.find_element(By.CSS_SELECTOR, selector)


def many(root: webdriver.Chrome | WebElement, selector: str) -> list[WebElement]:
    return root.find_elements(By.CSS_SELECTOR, selector)


def visible(root: webdriver.Chrome | WebElement, selector: str) -> list[WebElement]:
    return [e for e in many(root, selector) if e.is_displayed()]


def label(well: WebElement) -> str:
    return well.get_dom_attribute("aria-label") or ""


def test_plate_map_has_every_well(show: Show) -> None:
    page = show(plate())
    first = one(page, '[data-map="1"]')
    assert len(many(first, ".well")) == 11
    assert len(many(first, ".blanks rect")) == 1
    assert label(many(first, ".well")[1]) == "A02: 21 objects per well; 2 fields"
    assert len(many(first, ".well .quarantined")) == 1
    assert len(many(first, ".well .flagged")) == 1


def test_choosing_a_measure_changes_values_colours_and_legend(show: Show) -> None:
    page = show(plate())
    first = one(page, '[data-map="1"]')
    wells = many(first, ".well")
    before = [one(w, ".tile").get_attribute("fill") for w in wells]
    Select(one(first, "[data-measure]")).select_by_visible_text("Nuclei_AreaShape_Area")
    assert label(wells[3]) == "A04: 103 µm²; 2 fields"
    assert one(wells[3], "text").text == "103"
    assert [one(w, ".tile").get_attribute("fill") for w in wells] != before
    assert [t.text for t in many(first, "[data-tick]")] == ["100", "105", "110"]
    assert one(first, ".unit").text == "Nuclei_AreaShape_Area (µm²)"


def test_script_and_server_paint_the_same(show: Show) -> None:
    data = plate()
    page = show(data)
    drawn = [one(w, ".tile").get_attribute("fill") for w in many(page, ".well")]
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        plain = [one(w, ".tile").get_attribute("fill") for w in many(page, ".well")]
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert plain == drawn


def test_click_on_a_well_shows_its_images(show: Show) -> None:
    page = show(plate())
    assert len(visible(page, "#gallery figure")) == 21
    many(page, '[data-map="1"] .well')[5].click()
    shown = visible(page, "#gallery figure")
    assert [one(f, ".name").text for f in shown] == ["B02 site 1"]
    assert one(page, "#well-name").text == "Well B02"
    assert "B02 site 0 is quarantined: B/02/0: 1 of 9 chunks" in one(page, "#well-notes").text
    one(page, "#well-clear").click()
    assert len(visible(page, "#gallery figure")) == 21


def test_hover_and_keyboard(show: Show) -> None:
    page = show(plate())
    wells = many(page, '[data-map="1"] .well')
    webdriver.ActionChains(page).move_to_element(wells[2]).perform()
    assert one(page, "#tip").text == "A03: 41 objects per well\n2 fields"
    assert [w.get_dom_attribute("tabindex") for w in wells].count("0") == 1
    page.execute_script("arguments[0].focus()", wells[0])
    page.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert label(page.switch_to.active_element).startswith("B02: ")
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert one(page, "#well-name").text == "Well B02"


def test_table_sorts_and_filters(show: Show) -> None:
    page = show(plate())
    rows = many(page, "#fields tbody tr")
    assert len(rows) == 22
    assert "quarantined" in rows[0].text
    header = next(b for b in many(page, "#fields thead button") if b.text == SETS[0])
    header.click()
    assert one(page, "#fields tbody tr th").text == "A01"
    next(b for b in many(page, "#fields thead button") if b.text == SETS[0]).click()
    assert one(page, "#fields tbody tr th").text == "C03"
    one(page, "#only-bad").click()
    assert len(many(page, "#fields tbody tr")) == 3
    one(page, "#field-find").send_keys("chunks")
    assert len(many(page, "#fields tbody tr")) == 1


def test_strips_show_a_limit_and_mark_flagged_images(show: Show) -> None:
    page = show(plate())
    assert [h.text for h in many(page, ".strip h3")] == ["DNA", "AGP"]
    assert len(many(page, ".strip .limit")) == 1
    assert len(many(page, ".strip .bad")) == 2


def test_outlines_switch_off(show: Show) -> None:
    page = show(plate())
    lines = many(page, "#gallery .outline.set-1")
    assert len(lines) == 21
    one(page, '[data-set="1"]').click()
    assert lines[0].value_of_css_property("visibility") == "hidden"
    assert one(page, "#gallery .outline.set-0").value_of_css_property("visibility") == "visible"


def test_enlarged_view_steps_through_the_images(show: Show) -> None:
    page = show(plate())
    one(page, "#gallery .picture").click()
    assert one(page, "#viewer-title").text == "A01 site 0"
    one(page, '#viewer [data-step="1"]').click()
    assert one(page, "#viewer-title").text == "A01 site 1"
    one(page, '#viewer [data-step="0"]').click()
    assert not one(page, "#viewer").is_displayed()


def test_page_without_a_plate(show: Show) -> None:
    data = plate()
    page = show(ReportData("one", fields=data.fields[:1], thumbnails=data.thumbnails[:1]))
    assert many(page, ".well") == []
    assert len(visible(page, "#gallery figure")) == 1


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_sticks_out(show: Show, width: int) -> None:
    page = show(plate())
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_hostile_names_do_nothing(show: Show) -> None:
    page = show(hostile())
    for well in (many(page, ".well")[0], many(page, ".well")[5]):
        webdriver.ActionChains(page).move_to_element(well).perform()
        well.click()
    for box in many(page, "#metric, [data-measure]"):
        for option in range(len(Select(box).options)):
            Select(box).select_by_index(option)
    one(page, "#field-find").send_keys("alert")
    many(page, "#fields thead button")[1].click()
    one(page, "#well-clear").click()
    one(page, "#gallery .picture").click()
    assert many(page, "img") == []
    assert len(many(page, "script")) == 2
    assert many(page, "[onerror], [onmouseover]") == []
    # An alert that had opened would make every command above fail.
    assert "onerror=alert(1)" in page.title
