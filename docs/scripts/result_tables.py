"""The tables of measurements in the pages: each stands between `<!-- results: NAME -->` and `<!-- end -->`, and is made
from `benches/results/NAME.json`, with where, when and how it was measured."""

import json
import re
import textwrap
from decimal import Decimal
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
TABLE = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def cell(value):
    if value is None:
        return ""
    if isinstance(value, dict):
        digits = max(map(decimals, value.values()))
        texts = {which: f"{one:,.{digits}f}" for which, one in value.items()}
        spread = f"{texts['low']} to {texts['high']}"
        return f"{texts['median']} ({spread})" if "median" in value else spread
    return value if isinstance(value, str) else f"{value:,}"


def decimals(value):
    """The digits that the results have behind the point."""
    return max(0, -Decimal(value).as_tuple().exponent)


def table(name):
    results = json.loads((REPOSITORY / f"benches/results/{name}.json").read_text(), parse_float=Decimal)
    columns, rows = results["columns"], results["rows"]
    is_text = [any(isinstance(row[n], str) for row in rows) for n in range(len(columns))]
    lines = [f"| {' | '.join(columns)} |", "|" + "|".join("---" if text else "---:" for text in is_text) + "|"]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in rows]
    notes = " ".join(results.get("notes", []))
    lines += ["", wrapped(notes)] if notes else []
    where = [f"Measured at `{results['commit']}` on {results['date']}, on {results['machine']}"]
    where += [results[key] for key in ("input", "repetitions") if key in results]
    return "\n".join([*lines, "", wrapped(f"{'; '.join(where)}:"), "", f"    {results['command']}"])


def wrapped(words):
    return textwrap.fill(words, 120, break_long_words=False, break_on_hyphens=False)


def filled(page):
    """The text of a page with its tables as the results are now."""
    return TABLE.sub(lambda found: f"{found[1]}\n{table(found[2])}\n\n{found[3]}", page.read_text())


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page))
