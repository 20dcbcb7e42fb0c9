"""The report in a real browser: it starts without errors, reacts, and runs no hostile text."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from browsing import chromium, complaints, many, needs_browser, one, visible
from report_samples import SETS, hostile, judged, plate
from voxelmill.report import ReportData, render

pytestmark = needs_browser
Show = Callable[[ReportData], webdriver.Chrome]


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def show(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Show]:
    def _show(data: ReportData) -> webdriver.Chrome:
        path = tmp_path / "report.html"
        path.write_text(render(data), encoding="utf-8")
        browser.get(path.as_uri())
        return browser

    yield _show
    assert complaints(browser) == []


def label(well: WebElement) -> str:
    return well.get_dom_attribute("aria-label") or ""


def test_plate_map_has_every_well(show: Show) -> None:
    page = show(plate())
    first = one(page, '[data-map="1"]')
    assert len(many(first, ".well")) == 11
    assert len(many(first, ".blanks rect")) == 1
    assert label(many(first, ".well")[1]) == "A02: 21 objects per well; pass; 2 fields"
    assert len(many(first, ".well .quarantined")) == 1
    assert len(many(first, ".well .warn")) == 1


def test_choosing_a_measure_changes_values_colours_and_legend(show: Show) -> None:
    page = show(plate())
    first = one(page, '[data-map="1"]')
    wells = many(first, ".well")
    before = [one(w, ".tile").get_attribute("fill") for w in wells]
    Select(one(first, "[data-measure]")).select_by_visible_text("Nuclei_AreaShape_Area")
    assert label(wells[3]) == "A04: 103 µm²; pass; 2 fields"
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
    assert "quarantined\nB/02/0: 1 of 9 chunks" in one(page, "#well-fields").text
    one(page, "#well-clear").click()
    assert len(visible(page, "#gallery figure")) == 21


def test_hover_and_keyboard(show: Show) -> None:
    page = show(plate())
    wells = many(page, '[data-map="1"] .well')
    webdriver.ActionChains(page).move_to_element(wells[2]).perform()
    assert one(page, "#tip").text == "A03: 41 objects per well\npass\n2 fields"
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
    assert one(page, "#viewer-title").text == "C01 site 0"
    one(page, '#viewer [data-step="-1"]').click()
    assert one(page, "#viewer-title").text != "C01 site 0"
    one(page, '#viewer [data-step="0"]').click()
    assert not one(page, "#viewer").is_displayed()


def test_page_without_a_plate(show: Show) -> None:
    data = plate()
    page = show(ReportData("one", fields=data.fields[:1], thumbnails=data.thumbnails[:1]))
    assert many(page, ".well") == []
    assert len(visible(page, "#gallery figure")) == 1


def test_cards_are_in_the_order_asked_for(show: Show) -> None:
    page = show(judged())

    def names() -> list[str]:
        return [one(f, ".name").text for f in visible(page, "#gallery figure")]

    assert names()[:2] == ["A03 site 1", "C01 site 0"]
    assert "failed" in one(page, "#gallery figcaption").text
    Select(one(page, "#card-order")).select_by_value("plate")
    assert names()[:3] == ["A01 site 0", "A01 site 1", "A02 site 0"]
    one(page, "#cards-flagged").click()
    assert names() == ["A03 site 1", "C01 site 0", "C01 site 1"]


def test_distributions_by_treatment_and_over_objects(show: Show) -> None:
    page = show(judged())
    assert [t.text for t in many(page, "#spread-wells .group")] == ["DMSO", "taxol"]
    rows = [r.text.split() for r in many(page, "#spread-table tbody tr")]
    assert rows == [
        ["DMSO", "4", "100", "100.8", "101.5", "102.3", "103"],
        ["taxol", "7", "104", "105.5", "107", "108.5", "110"],
    ]
    assert len(many(page, "#spread-objects .bin")) == 5
    bar = many(page, "#spread-objects .bin")[2]
    webdriver.ActionChains(page).move_to_element(bar).perform()
    assert one(page, "#tip").text == "90 to 110\n20 objects"
    assert "Beyond what is shown: 1 below, 2 above." in one(page, "#spread-objects").text
    webdriver.ActionChains(page).move_to_element(many(page, "#spread-wells .dot")[0]).perform()
    assert one(page, "#tip").text.startswith("A01: 100")
    assert "Compound: DMSO" in one(page, "#tip").text
    webdriver.ActionChains(page).move_to_element(
        many(page, "#spread-wells .dot")[0]
    ).click().perform()
    assert one(page, "#well-name").text == "Well A01"
    Select(one(page, "[data-spread] [data-measure]")).select_by_visible_text("Number of nuclei")
    assert many(page, "#spread-objects .bin") == []


def test_a_well_has_all_its_values(show: Show) -> None:
    page = show(judged())
    many(page, '[data-map="1"] .well')[9].send_keys(Keys.ENTER)
    assert one(page, "#well-notes").text == "count far below its neighbours"
    assert "Compound\ntaxol" in one(page, "#well-facts").text
    one(page, "#well-all summary").click()
    # The page hears of the opening a moment later.
    WebDriverWait(page, 10).until(lambda p: many(p, "#well-values tbody tr"))
    values = {r.text.split()[0]: r.text for r in many(page, "#well-values tbody tr")}
    assert values["Nuclei_AreaShape_Area"] == "Nuclei_AreaShape_Area 109 105 µm²"
    one(page, "#well-find").send_keys("nuclei area")
    assert len(many(page, "#well-values tbody tr")) == 1


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
