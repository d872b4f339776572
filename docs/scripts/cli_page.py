"""`docs/cli.md`: what `inlaid --help` and `inlaid COMMAND --help` print. The binary is the one that `INLAID_BIN` names,
else the release build of this repository."""

import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/cli.md"
INLAID = os.environ.get("INLAID_BIN", REPOSITORY / "target/release/inlaid")

HEAD = """\
# Command line

Results go to standard output, as text or with `--json` as JSON; progress, notes and errors go to standard error. A
progress bar is drawn on a terminal only.

| exit code | |
|---:|---|
| 0 | finished |
| 1 | stopped |
| 2 | wrong usage |
| 3 | finished, but some images were rejected (see `rejects.jsonl`) |

This page is the output of `--help`, and is written by `bash docs/make`.
"""


def help_of(*command):
    # Lines are as long as a terminal is wide, at most 100 characters.
    here = dict(stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "COLUMNS": "100"})
    done = subprocess.run([INLAID, *command, "--help"], text=True, check=True, **here)
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())


def text():
    overview = help_of()
    commands = re.search(r"^Commands:\n((?:  .*\n)+)", overview, re.MULTILINE).group(1)
    names = [name for name in re.findall(r"^  (\w[\w-]*)", commands, re.MULTILINE) if name != "help"]
    sections = [("inlaid", overview)] + [(f"inlaid {name}", help_of(name)) for name in names]
    return HEAD + "".join(f"\n## {name}\n\n```text\n{help}\n```\n" for name, help in sections)


if __name__ == "__main__":
    PAGE.write_text(text())
