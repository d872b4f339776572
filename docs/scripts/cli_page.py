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
progress bar is drawn on a terminal only. With `--json`, a command that fails also prints one object on standard output:
`error`, `kind` (a stable word), `hint`, `paths` and `exit_code` (`schemas/error.schema.json`).

| exit code | |
|---:|---|
| 0 | finished; intact |
| 1 | stopped; damaged |
| 2 | wrong usage |
| 3 | finished, but some images were rejected (see `rejects.jsonl`) |
| 4 | `verify` and `info`: intact, but unfinished; the command that was interrupted finishes it |
| 129, 130, 143 | stopped by SIGHUP, SIGINT (Ctrl-C) or SIGTERM; the process ends by that signal, so a loop of a shell ends too |

A signal that is ignored when a command starts stays ignored, so `nohup inlaid ...` outlives its terminal. After Ctrl-C a
run keeps what it had committed and removes everything else; if a read of a file does not return within three seconds, it
ends without it and names the file. A second signal ends it at once.

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
