"""The documentation holds together: links lead somewhere, what is generated is what would be generated now, and the
site builds. `bash docs/make` writes all that is generated."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import yaml

from conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PICTURES = DOCS / "pictures"
PAGES = sorted(DOCS.glob("*.md"))
LINKING = [*sorted(REPOSITORY.glob("*.md")), REPOSITORY / "python/README.md", *PAGES]
RESULTS = sorted((REPOSITORY / "benches/results").glob("*.json"))
BYTES_OF_PICTURES = 400_000

sys.path.insert(0, str(DOCS / "scripts"))
import append_figure  # noqa: E402
import cli_page  # noqa: E402
import commit_figure  # noqa: E402
import page_figure  # noqa: E402
import reading_plot  # noqa: E402
import result_tables  # noqa: E402

STALE = "run `bash docs/make`"


def without_code(text):
    """The text with neither fenced blocks nor code in backticks."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(page):
    """The anchors of a page's headings, as forges and the site make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_readme_is_short():
    assert (REPOSITORY / "README.md").read_text().count("\n") <= 180


def test_site_has_every_page():
    def pages(entries):
        for entry in entries:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else pages(value)

    nav = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"]
    assert sorted(pages(nav)) == [page.name for page in PAGES]


def test_site_builds(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site/format/index.html").exists()


def test_requirements_of_the_site_are_installed_for_the_tests():
    needed = {line for line in (DOCS / "requirements.txt").read_text().splitlines() if not line.startswith("#")}
    files = (REPOSITORY / "tests/interop").glob("requirements*.txt")
    assert needed <= {line for file in files for line in file.read_text().splitlines()}


def test_command_line_page_is_that_of_the_binary():
    assert (DOCS / "cli.md").read_text() == cli_page.text(), STALE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_results(page):
    assert page.read_text() == result_tables.filled(page), STALE


@pytest.mark.parametrize("figure", [reading_plot, page_figure, commit_figure, append_figure])
def test_figure_is_that_of_its_script(figure):
    assert figure.PICTURE.read_text() == figure.svg(), STALE


@pytest.mark.parametrize("results", RESULTS, ids=lambda path: path.stem)
def test_results_say_how_they_were_measured(results):
    measured = json.loads(results.read_text())
    assert {"title", "command", "commit", "date", "machine", "columns", "rows"} <= measured.keys()
    assert re.fullmatch(r"[0-9a-f]{7,40}", measured["commit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", measured["date"])
    assert all(len(row) == len(measured["columns"]) for row in measured["rows"])
    assert f"<!-- results: {results.stem} -->" in (DOCS / "benchmarks.md").read_text()


def test_pictures_are_small_and_well_formed():
    pictures = list(PICTURES.iterdir())
    assert sum(picture.stat().st_size for picture in pictures) < BYTES_OF_PICTURES
    for picture in pictures:
        assert picture.suffix != ".svg" or ElementTree.parse(picture).getroot().tag.endswith("svg")
