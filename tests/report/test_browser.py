"""The page in a real headless Chromium: silent, alone, readable, sortable, filterable, at every width."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import synthetic
import synthetic_speed
from typer.testing import CliRunner

from zigbench import report
from zigbench.cli import app
from zigbench.records.folder import RunFolder
from zigbench.records.record import Measurement, Record
from zigbench.suite import Cell, expand, load

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None and os.environ.get("CI") != "true":
    pytest.skip("needs Chromium (apt-get install chromium); CI requires it", allow_module_level=True)

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTHS = (400, 1000, 1600)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, root: Path, cells: list[Cell]) -> Path:
    """A report of all kinds of content, the index over it, and run pages."""
    suite = synthetic.suite(figures=("continuity", "schemes"))
    folder = tmp_path_factory.mktemp("site")
    report.write(suite, cells, root=root, out=folder / "squares", command="zigbench report squares", run_pages=True)
    empty = synthetic.suite(name="empty", question="Is anything here?", contrasts=())
    report.write(empty, [], root=root, out=folder / "empty", command="zigbench report empty")
    speed = synthetic_speed.suite()
    runs = tmp_path_factory.mktemp("speed")
    timed = synthetic_speed.populate(runs, speed)
    report.write(speed, timed, root=runs, out=folder / "speed", command="zigbench report speed")
    report.write_index(folder, command="zigbench report --all")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None, "CI needs Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


def addresses(site: Path, cells: list[Cell]) -> dict[str, str]:
    paths = {
        "suite": site / "squares" / "index.html",
        "empty": site / "empty" / "index.html",
        "index": site / "index.html",
        "speed": site / "speed" / "index.html",
        "run": site / "squares" / "runs" / f"{cells[0].spec.id}.html",
    }
    return {name: path.as_uri() for name, path in paths.items()}


def opened(browser: Browser, address: str, **context: Any) -> tuple[Page, list[str]]:
    """A page, and the list that every complaint and every request beyond its own file goes into."""
    page = browser.new_context(**context).new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("data:") else faults.append(request.url))
    page.goto(address)
    faults.remove(address)
    return page, faults


@pytest.mark.parametrize("name", ["suite", "empty", "index", "run", "speed"])
def test_silent_alone_and_within_every_width(name: str, browser: Browser, site: Path, cells: list[Cell]) -> None:
    for width in WIDTHS:
        page, faults = opened(
            browser, addresses(site, cells)[name], viewport={"width": width, "height": 900}, offline=True
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").bounding_box() is not None
        assert faults == []
        page.context.close()


def test_first_screen_holds_question_answer_and_figure(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, _ = opened(browser, addresses(site, cells)["suite"], viewport={"width": 1280, "height": 900})
    for place in ("h1", ".sentence", "#answer figure svg"):
        box = page.locator(place).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900, place
    page.context.close()


def test_the_page_of_speeds_shows_its_figure_first(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, faults = opened(browser, addresses(site, cells)["speed"], viewport={"width": 1280, "height": 900})
    box = page.locator("#answer figure svg").bounding_box()
    assert box is not None
    assert box["y"] < 600
    marks = page.locator("#answer svg title").all_text_contents()
    assert any("dit, 4,096 patches: does not fit" in mark for mark in marks)
    assert any(mark.endswith("disturbed (too hot)") for mark in marks)
    page.locator("#table-cells thead th").nth(2).get_by_role("button").click()
    patches = [int(text.replace(",", "")) for text in column(page, "table-cells", 3)]
    assert patches == sorted(patches)
    assert faults == []
    page.context.close()


def column(page: Page, table: str, index: int) -> list[str]:
    return page.locator(f"#{table} tbody tr:visible > *:nth-child({index})").all_inner_texts()


def test_sorting(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, faults = opened(browser, addresses(site, cells)["suite"])
    heading = page.locator("#table-results thead th").nth(2)
    before = column(page, "table-results", 1)
    heading.get_by_role("button").click()
    values = [float(text.split()[0]) for text in column(page, "table-results", 3)]
    assert values == sorted(values)
    assert heading.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert column(page, "table-results", 1)[0] == "dit"
    assert heading.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert column(page, "table-results", 1) == before
    assert faults == []
    page.context.close()


def test_filtering(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, faults = opened(browser, addresses(site, cells)["suite"])
    runs = page.locator("#runs")
    runs.get_by_role("searchbox").fill("hilbert released")
    assert column(page, "table-runs", 1) == ["hilbert-released-8"] * 3
    assert runs.locator("output").inner_text() == "3 of 21 rows"
    runs.get_by_role("searchbox").fill("")
    assert len(column(page, "table-runs", 1)) == 21
    assert faults == []
    page.context.close()


def test_index_filters_by_hardware_and_date(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, faults = opened(browser, addresses(site, cells)["index"])
    page.get_by_label("Hardware").select_option(label="–")
    assert column(page, "table-suites", 1) == ["empty"]
    page.get_by_label("Hardware").select_option("")
    page.get_by_label("Recorded since").fill("2000-01-01")
    assert column(page, "table-suites", 1) == ["speed", "squares"]
    page.get_by_label("Recorded since").fill("2990-01-01")
    assert column(page, "table-suites", 1) == []
    assert faults == []
    page.context.close()


def test_readable_without_scripts(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, _ = opened(browser, addresses(site, cells)["suite"], java_script_enabled=False)
    assert page.locator("#table-results tbody tr").count() == 7
    assert page.locator("button:visible, input:visible").count() == 0
    assert page.locator("#answer figure svg").is_visible()
    page.context.close()


def test_keyboard_reaches_links_tables_and_skips(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, _ = opened(browser, addresses(site, cells)["suite"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.closest('.scroll') ? 'table' : document.activeElement.tagName")
        )
    assert {"A", "table"} <= reached
    page.context.close()


def test_hovering_a_point_tells_its_numbers(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, _ = opened(browser, addresses(site, cells)["suite"])
    titles = page.locator("#answer svg title").all_text_contents()
    assert len(titles) == 6
    assert any("sweep-1 − zigzag-8: +0.067" in title for title in titles)
    page.context.close()


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!words || ["SCRIPT", "STYLE", "title", "defs"].includes(e.tagName) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const ink = parse(e.namespaceURI.endsWith("svg") ? style.fill : style.color);
    const [a, b] = [light(ink.slice(0, 3)), light(ground(e).slice(0, 3))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName} ${e.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_all_text(scheme: Any, browser: Browser, site: Path, cells: list[Cell]) -> None:
    for name, address in addresses(site, cells).items():
        page, _ = opened(browser, address, color_scheme=scheme)
        assert page.evaluate(CONTRAST) == [], name
        page.context.close()


def test_theme_button_turns_the_page(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, _ = opened(browser, addresses(site, cells)["suite"], color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Switch to dark colours").click()
    dark = page.evaluate(paper)
    assert dark != light
    assert page.evaluate(CONTRAST) == []
    page.context.close()


def test_print_is_light_and_holds_no_tools(browser: Browser, site: Path, cells: list[Cell]) -> None:
    paper = {"width": 720, "height": 1000}  # A4 less its margins.
    page, _ = opened(browser, addresses(site, cells)["suite"], color_scheme="dark", viewport=paper)
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= paper["width"]
    assert page.locator(".tools:visible, .theme:visible, nav:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 10_000
    page.context.close()


def test_every_picture_has_a_text_alternative(browser: Browser, site: Path, cells: list[Cell]) -> None:
    page, _ = opened(browser, addresses(site, cells)["suite"])
    roles = page.get_by_role("img")
    names = [item.get_attribute("aria-label") or item.get_attribute("alt") for item in roles.all()]
    assert len(names) >= 12
    assert all(names)
    assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    page.context.close()


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of two packs, zipped on two machines: three arms, of which B repeats one and alone has another."""
    folder = tmp_path_factory.mktemp("joint")
    (folder / "sent.py").write_text(
        "from zigbench.suite import Axis, Suite, grid\n"
        "arms = Axis('arm', {'one': {'scan.schemes': 1}, 'two': {'scan.schemes': 2}, 'four': {'scan.schemes': 4}})\n"
        "base = {'backbone.name': 'zigma', 'backbone.config.width': 8, 'data.name': 'digits'}\n"
        "suite = Suite(name='sent', question='Sent?', base=base, axes=(arms, grid('seed', (0, 1, 2))))\n"
    )
    packs = []
    for machine, arms in (("Alpha", ("one", "two")), ("Beta", ("two", "four"))):
        for cell in expand(load(str(folder / "sent.py"))):
            if cell.labels["arm"] in arms:
                run = RunFolder.of(cell.spec, folder / machine)
                run.submit(cell.spec)
                value = 0.5 + cell.spec.seed / 10 + (machine == "Beta") * 0.02
                protocol = "another protocol" if cell.labels["arm"] == "four" else "a protocol"
                figure = Measurement(name="held_out_loss", value=value, higher_is_better=False, protocol=protocol)
                Record(
                    id=run.id, status="ok", spec=cell.spec.resolved(), measurements=(figure,),
                    environment={"machine": {"cpu": machine, "cores": 2}},
                ).write(run.record)  # fmt: skip
        packs.append(folder / f"{machine}.zip")
        command = ["pack", str(folder / "sent.py"), "--out", str(packs[-1]), "--results", str(folder / machine)]
        assert CliRunner().invoke(app, command).exit_code == 0
    sources = [word for pack in packs for word in ("--results", str(pack))]
    done = CliRunner().invoke(app, ["report", "--all", *sources, "--reports", str(folder / "site")])
    assert done.exit_code == 0, done.output
    return folder / "site"


def test_the_site_of_two_packs_is_filtered_by_hardware(browser: Browser, joint: Path) -> None:
    page, faults = opened(browser, (joint / "index.html").as_uri())
    assert column(page, "table-suites", 1) == ["sent"]
    options = page.get_by_label("Hardware").locator("option").all_inner_texts()
    assert options == ["all", "Alpha", "Beta"]
    page.get_by_label("Hardware").select_option("Beta")
    assert column(page, "table-suites", 1) == ["sent"]
    assert faults == []
    page.context.close()

    page, faults = opened(browser, (joint / "sent" / "index.html").as_uri(), viewport={"width": 1000, "height": 900})
    arms = {"": ["one"] * 3 + ["two"] * 3 + ["four"] * 3, "Alpha · 2 cores": ["one"] * 3 + ["two"] * 3}
    arms["Beta · 2 cores"] = ["two"] * 3 + ["four"] * 3
    for machine, shown in arms.items():
        page.locator("#runs").get_by_label("Machine").select_option(machine)
        assert column(page, "table-runs", 1) == shown
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults == []
    page.context.close()


def test_the_same_runs_stand_side_by_side_and_unlike_protocols_in_no_column(browser: Browser, joint: Path) -> None:
    page, faults = opened(browser, (joint / "sent" / "index.html").as_uri())
    row = page.locator("#table-machines tbody tr")
    assert row.count() == 1
    cells = row.locator("th, td").all_inner_texts()
    assert cells[1:4] == ["two", "Alpha · 2 cores and Beta · 2 cores", "3"]
    assert cells[4:6] == ["0.60 ± 0.25", "0.62 ± 0.25"]
    assert cells[6].startswith("+0.02")
    marked = page.locator("#table-results tbody tr", has_text="‡")
    assert [text.split()[0] for text in marked.all_inner_texts()] == ["four"]
    assert any("‡" in note for note in page.locator("#results .notes li").all_inner_texts())
    assert faults == []
    page.context.close()
