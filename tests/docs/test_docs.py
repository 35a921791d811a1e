"""The documentation: it builds without a warning, its links lead somewhere, and what it shows is executed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer.main

from zigbench.cli import app, plugins_first
from zigbench.launch.clusters import Cluster

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"zigbench", "make", "python", "pip", "nvcc"}

# A run is planned with the same arguments: the tests train elsewhere.
PLANNED = {"run": ("--workers",), "report": ("--reports",)}
# These wait, look at a whole machine, or need the runs they name; their arguments are parsed.
PARSED = {"cancel", "logs", "doctor", "prepare", "evaluate", "export", "inspect", "verify", "merge"}


def blocks(page: Path, kind: str) -> list[str]:
    return [text for found, text in FENCE.findall(page.read_text(encoding="utf-8")) if found == kind]


def commands(text: str) -> list[str]:
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def steps(page: Path) -> list[tuple[str, str]]:
    """Return the commands that the session executes, in the order of the page."""
    found = []
    for kind, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            found.append(("file" if re.match(r"# \w+\.py\n", text) else "python", text))
        elif kind == "console":
            for line in commands(text):
                if script := re.fullmatch(r"python (\w+\.py)", line):
                    found.append(("script", script[1]))
                elif command := runnable(line):
                    found.append(("command", command))
    return found


def runnable(line: str) -> str | None:
    """The command as it can be run here in a moment; None for what is only checked."""
    words = shlex.split(line)
    if words[0] != "zigbench":
        return None
    at = next((i for i, word in enumerate(words) if word in COMMANDS), 1)
    name = words[at]
    if name in PARSED or {"--all", "--benchmarks"} & set(words):
        return None
    if name in PLANNED:
        words[at] = "plan"
        for option in PLANNED[name]:
            if option in words:
                del words[words.index(option) : words.index(option) + 2]
    if name == "launch" and "--dry-run" not in words:
        words.append("--dry-run")
    return shlex.join(words)


COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# The first day is executed in full, and its output compared, by a test of its own.
SHOWING = [page for page in PAGES if steps(page) and page.stem != "first_day"]


@pytest.mark.parametrize("page", SHOWING, ids=lambda page: page.stem)
def test_what_a_page_shows_runs(page, tmp_path):
    clusters = tmp_path / "clusters.toml"
    clusters.write_text("".join(blocks(page, "toml")))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "session.py")],
        input=json.dumps(steps(page)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            **os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "OMP_NUM_THREADS": "1",
            "ZIGBENCH_CLUSTERS": str(clusters),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one_the_program_takes(page):
    for line in (line for text in blocks(page, "console") for line in commands(text)):
        words = [word for word in shlex.split(line) if not re.match(r"[A-Z]+=", word)]
        assert words[0] in PROGRAMS, line
        if words[0] == "zigbench":
            group, rest = typer.main.get_command(app), plugins_first(words[1:])
            while hasattr(group, "commands"):
                context = group.make_context(group.name, list(rest), resilient_parsing=True)
                rest = [*context._protected_args, *context.args]
                group = group.commands[rest[0]]
                rest = rest[1:]
            group.make_context(group.name, list(rest))
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        else:
            paths = [word for word in words if word.startswith("tests/")]
            assert all((ROOT / path).exists() for path in paths), line


def test_the_profile_of_a_cluster_is_one(tmp_path):
    (text,) = blocks(DOCS / "guides/slurm.md", "toml")
    found = tomllib.loads(text)
    assert found["default"] in found["clusters"]
    for table in found["clusters"].values():
        Cluster.model_validate(table)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the built pages; any warning fails the build."""
    out = tmp_path_factory.mktemp("html")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", out / "trees", DOCS, out],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out


class Page(HTMLParser):
    """Collects the anchors of a page, and what it links to and loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given["id"]} if given.get("id") else set()
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("script", "img") and given.get("src"):
            self.loads.append(given["src"])
        if tag == "link" and given.get("rel") == "stylesheet":
            self.loads.append(given["href"])


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(built):
    pages = {path: Page(path) for path in built.rglob("*.html")}
    assert len(pages) > len(PAGES)
    for path, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), f"{path.name} links to {link}"
            if anchor and there in pages:
                assert anchor in pages[there].anchors, f"{path.name} links to {link}"
        for source in page.loads:
            assert (path.parent / source.partition("?")[0]).resolve().exists(), f"{path.name} loads {source}"


def test_every_key_and_option_has_a_meaning(built):
    """No cell of a column `meaning` is empty: what the code does not say, the reference can't."""
    for page in ("cli", "spec", "backbones", "data"):
        text = (built / "reference" / f"{page}.html").read_text(encoding="utf-8")
        for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
            heads = [re.sub("<.*?>", "", head).strip() for head in re.findall(r"<th.*?</th>", table, re.DOTALL)]
            if "meaning" not in heads:
                continue
            for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]:
                cells = [re.sub("<.*?>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
                assert len(cells[heads.index("meaning")]) > 3, f"{page}: {cells}"


def test_the_summary_of_the_suites_is_shown_with_its_figures(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    from generate import gallery

    summary = tmp_path / "reports/README.md"
    assert "`make reports`" in gallery.measured(summary, tmp_path / "docs")
    summary.parent.mkdir()
    summary.write_text("# Reports\n\nOpening.\n\n## one\n\n*Q?*\n\n![x](figures/one.png)\n\n## two\n\n*R?*\n")
    text = gallery.measured(summary, tmp_path / "docs")
    assert text == "### one\n\n*Q?*\n\n![x](../reports/figures/one.png)\n\n### two\n\n*R?*\n"


def test_every_part_read_from_the_code_stands_on_one_page(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import generate

    asked = [
        line.removeprefix(generate.MARK)
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith(generate.MARK)
    ]
    assert sorted(asked) == sorted(generate.PARTS)
