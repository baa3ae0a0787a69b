"""`python -m bench` is `claude-bench`."""

from bench.cli import main

main()
