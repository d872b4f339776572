"""The command line `inlaid`, in this process."""

import sys

from ._inlaid import main as run


def main() -> None:
    sys.exit(run(["inlaid", *sys.argv[1:]]))
