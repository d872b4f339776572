"""What is measured is measured by one command: every table and figure of the documentation is of a file of results, and
every such file is of one bench of `benches/all.sh`. No bench runs here."""

import collections
import re
import subprocess
import sys

import pytest

from conftest import REPOSITORY

RESULTS = {path.stem for path in (REPOSITORY / "benches/results").glob("*.json")}

sys.path.insert(0, str(REPOSITORY / "docs/scripts"))
import readme_figures  # noqa: E402
import result_tables  # noqa: E402


def listed():
    """{name of a bench: names of its results}"""
    command = ["bash", REPOSITORY / "benches/all.sh", "--list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: files.split() for name, files in (line.split(": ") for line in lines)}


@pytest.mark.parametrize("page", result_tables.PAGES, ids=lambda page: page.name)
def test_tables_are_of_results(page):
    assert {found[2] for found in result_tables.TABLE.finditer(page.read_text())} <= RESULTS


def test_results_are_of_one_bench_each():
    counted = collections.Counter(name for files in listed().values() for name in files)
    assert counted == dict.fromkeys(RESULTS, 1)


@pytest.mark.parametrize("page", readme_figures.PAGES, ids=lambda page: page.name)
def test_figures_are_those_of_the_results(page):
    assert page.read_text() == readme_figures.filled(page), "run `bash docs/make`"


def test_readme_claims_no_other_speed():
    text = (REPOSITORY / "README.md").read_text()
    claimed = [figure for page, figure, _ in readme_figures.FIGURES if page == "README.md"]
    for words in claimed:
        text = re.sub(words, "", text)
    assert not re.findall(r"[\d,.]+ (?:images/s|rows/s|[KMG]B/s|times|%|minutes|seconds|ms)\b", text)
