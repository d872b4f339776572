"""`python -m inlaid` is the command line."""

from ._cli import main

main()
