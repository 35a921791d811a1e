"""The gallery page: complete without scripts, without a network, and alive in a browser where there is one."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from zigbench import scan
from zigbench.scan import gallery


class Reader(HTMLParser):
    """Collects tags and text, and checks that elements close in order."""

    VOID = ("meta", "input", "link", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


@pytest.mark.parametrize("grid", [(6, 9), (1, 1), (2, 3, 4)])
def test_the_page_shows_every_curve_and_variant(grid: tuple[int, ...]) -> None:
    reader = read(gallery.page(grid))
    names = scan.names(len(grid))
    listed = [attrs["data-order"] for _, attrs in reader.tags if "data-order" in attrs]
    expected = [" ".join(map(str, scan.make_order(n, grid, v).order)) for n in names for v in range(8)]
    assert listed == expected
    headings = [attrs.get("id") for tag, attrs in reader.tags if tag == "section"]
    assert headings == [f"curve-{name}" for name in names]


def test_it_asks_for_nothing_from_outside() -> None:
    page = gallery.page((6, 6))
    addresses = set(re.findall(r"https?://[^\"'\s)]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"<link[^>]*>", page) == ['<link rel="icon" href="data:,">']
    assert not re.search(r"<img|@import|url\(|fetch\(|\ssrc=", page)


def test_without_scripts_figures_and_steps_are_there() -> None:
    page = gallery.page((32, 32), ["hilbert", "hilbert-released"])
    words = "".join(read(page).words).replace("\N{NO-BREAK SPACE}", " ")
    assert "48.5 %" in words
    assert "100.0 %" in words
    assert "step 1023, token" in words


def test_duplicates_are_named() -> None:
    assert "walks as S0" in gallery.page((1, 5), ["zigzag"])
    assert "walks as raster S3" in gallery.page((4, 4), ["raster", "sweep"])


def test_too_many_tokens_for_a_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 4096 tokens"):
        gallery.page((128, 128))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_in_a_browser_the_walk_and_the_tooltips_work(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    target = tmp_path / "gallery.html"
    target.write_text(gallery.page((4, 6), ["zigzag", "hilbert"]), encoding="utf-8")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or faults.append(request.url))
        page.goto(target.as_uri())
        card = page.locator("#curve-zigzag")
        card.locator(".thumb").nth(2).click()
        card.locator(".step").evaluate("e => { e.value = 7; e.dispatchEvent(new Event('input')); }")
        order = scan.make_order("zigzag", (4, 6), 2).order
        caption = card.locator("figcaption").inner_text()
        drawn = card.locator(".trail").get_attribute("d")
        other = page.locator("#curve-hilbert .big svg")
        other.scroll_into_view_if_needed()
        box = other.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 5)
        hovered = page.locator("#curve-hilbert figcaption").inner_text()
        browser.close()
    assert faults == []
    assert caption == f"Step 7 of 23: token {order[7]} (row 1, column {order[7] - 6})"
    assert drawn is not None
    assert drawn.count("L") == 7
    assert re.fullmatch(r"Step \d+ of 23: token [23] \(row 0, column [23]\)", hovered)
