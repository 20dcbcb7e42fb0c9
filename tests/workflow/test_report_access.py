"""Whether everybody can use the pages: axe-core, keyboard only, print, dark, light and narrow."""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from browsing import (
    axe_source,
    chromium,
    complaints,
    many,
    media,
    needs_browser,
    one,
    violations,
    visible,
    width,
)  # fmt: skip
from report_samples import hostile, hostile_index, judged, plate, weekly
from voxelmill.report import ReportData, render, render_index

pytestmark = needs_browser


def before_segmentation() -> ReportData:
    """What a person sees who has to approve: no objects yet."""
    data = judged()
    return replace(
        data,
        fields=tuple(replace(f, counts={}) for f in data.fields),
        thumbnails=tuple(replace(t, labels={}) for t in data.thumbnails),
        wells={},
        histograms={},
        findings=(),
    )


PAGES = {
    "report": lambda: render(judged()),
    "plain report": lambda: render(replace(plate(), rows=(), columns=(), wells={})),
    "QC report": lambda: render(before_segmentation()),
    "index": lambda: render_index(weekly()),
    "empty": lambda: render(ReportData("nothing")),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_source()


def show(browser: webdriver.Chrome, folder: Path, text: str) -> webdriver.Chrome:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    browser.get(path.as_uri())
    return browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_violation(
    browser: webdriver.Chrome, axe: str, tmp_path: Path, name: str, scheme: str
) -> None:
    with media(browser, scheme):
        page = show(browser, tmp_path, PAGES[name]())
        assert violations(page, axe) == []
        if many(page, ".well"):
            many(page, ".well")[0].send_keys(Keys.ENTER)
            one(page, "#well-all summary").click()
            assert violations(page, axe) == []
        if pictures := visible(page, "#gallery .picture"):
            pictures[0].click()
            assert violations(page, axe) == []
    assert complaints(browser) == []


def test_axe_sees_what_is_wrong(browser: webdriver.Chrome, axe: str, tmp_path: Path) -> None:
    page = show(browser, tmp_path, "<html><title>x</title><button></button></html>")
    assert {rule for rule, _, _ in violations(page, axe)} >= {"button-name", "html-has-lang"}


def test_everything_works_with_the_keyboard(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = show(browser, tmp_path, render(judged()))

    def press(*keys: str) -> None:
        for key in keys:
            page.switch_to.active_element.send_keys(key)

    def tab_to(selector: str, most: int = 80) -> None:
        for _ in range(most):
            page.switch_to.active_element.send_keys(Keys.TAB)
            if page.execute_script("return document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(f"Tab never reaches {selector}")

    one(page, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to content"
    tab_to('[data-map="1"] [data-measure]')
    press("Nuclei")
    assert one(page, '[data-map="1"] [data-name]').text == "Nuclei_AreaShape_Area"
    tab_to('[data-map="1"] .well')
    press(Keys.ARROW_RIGHT)
    assert one(page, "#tip").text.splitlines()[:2] == ["A02: 101 µm²", "pass"]
    press(Keys.ENTER)
    assert one(page, "#well-name").text == "Well A02"
    assert page.switch_to.active_element.get_attribute("id") == "well-panel"
    tab_to("#well-clear")
    press(Keys.ENTER)
    assert not one(page, "#well-panel").is_displayed()
    page.execute_script("arguments[0].focus()", one(page, "#group-by"))
    press(Keys.ARROW_UP)
    assert [c.text for c in many(page, "#spread-table tbody th")] == ["all wells"]
    tab_to("#fields thead button")
    press(Keys.ENTER)
    assert one(page, "#fields th[aria-sort=ascending]").text.startswith("Well")
    tab_to("#gallery .picture")
    press(Keys.ENTER)
    assert one(page, "#viewer").is_displayed()
    press(Keys.ARROW_RIGHT, Keys.ESCAPE)
    assert not one(page, "#viewer").is_displayed()
    assert complaints(browser) == []


@pytest.mark.parametrize("pixels", [1400, 390])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out(
    browser: webdriver.Chrome, tmp_path: Path, name: str, pixels: int
) -> None:
    with width(browser, pixels):
        page = show(browser, tmp_path, PAGES[name]())
        assert page.execute_script("return document.documentElement.scrollWidth") <= pixels


def test_all_rows_and_maps_are_printed(browser: webdriver.Chrome, tmp_path: Path) -> None:
    data = judged()
    extra = tuple(replace(f, image=f"{f.image}/{i}") for i in range(12) for f in data.fields)
    page = show(browser, tmp_path, render(replace(data, fields=extra)))
    assert len(many(page, "#fields tbody tr")) == 100
    assert not one(page, "#left-out table").is_displayed()
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(many(page, "#fields tbody tr")) == len(extra)
    with media(browser, "dark", "print"):
        dark = "return getComputedStyle(arguments[0]).backgroundColor"
        assert page.execute_script(dark, one(page, ".verdict")) == "rgb(255, 244, 223)"
        box = one(page, "#fields-scroll")
        clipped = "return arguments[0].scrollHeight > arguments[0].clientHeight + 2"
        assert not page.execute_script(clipped, box)
        assert not one(page, "nav").is_displayed()
        assert one(page, ".plate").is_displayed()
        assert len(visible(page, "#spread-objects .bin")) == 5
        assert one(page, "#left-out table").is_displayed()
    printed = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert b64decode(printed["data"]).startswith(b"%PDF")
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert len(many(page, "#fields tbody tr")) == 100


def test_the_index_sorts_and_filters(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = show(browser, tmp_path, render_index(weekly()))

    def names() -> list[str]:
        return [c.text.split("\n")[0] for c in visible(page, "#datasets tbody th")]

    assert names() == ["plate3", "plate2 QC report", "plate4", "plate10"]
    one(page, "#datasets thead button").click()
    assert names() == ["plate2 QC report", "plate3", "plate4", "plate10"]
    images = next(b for b in many(page, "#datasets thead button") if b.text == "Run time")
    images.click()
    images.click()
    assert names()[0] == "plate3"
    assert names()[-1] == "plate4"
    one(page, "#find").send_keys("edge")
    assert names() == ["plate2 QC report"]
    assert one(page, "#shown").text == "1 of 4 datasets shown"
    one(page, "#find").clear()
    one(page, "#find").send_keys("plate")
    Select(one(page, "#level")).select_by_value("fail")
    assert names() == ["plate3"]
    href = one(page, "#datasets tbody tr:not([hidden]) a").get_attribute("href") or ""
    assert href.endswith("/plate3/report.html")
    assert complaints(browser) == []


def test_hostile_names_do_nothing_in_the_index(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = show(browser, tmp_path, render_index(hostile_index()))
    for button in many(page, "#datasets thead button"):
        button.click()
    one(page, "#find").send_keys("alert")
    assert many(page, "img, [onerror], [onmouseover]") == []
    assert len(many(page, "script")) == 1
    assert "onerror=alert(1)" in page.title
    assert complaints(browser) == []


def test_hostile_names_do_nothing_in_a_well(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = show(browser, tmp_path, render(hostile()))
    for well in range(4):
        many(page, '[data-map="1"] .well')[well].send_keys(Keys.ENTER)
        if not one(page, "#well-values").is_displayed():
            one(page, "#well-all summary").click()
    for box in many(page, "[data-spread] select, #card-order"):
        for option in range(len(Select(box).options)):
            Select(box).select_by_index(option)
    for plot in many(page, ".plot"):
        webdriver.ActionChains(page).move_to_element(plot).perform()
    assert many(page, "img, [onerror], [onmouseover]") == []
    assert len(many(page, "script")) == 2
    assert complaints(browser) == []
