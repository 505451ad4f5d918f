"""``python -m search.run``: searches, or continues a search."""

from lightsearch.cli.command import run
from lightsearch.cli.run import main

if __name__ == "__main__":
    run(main, "run")
