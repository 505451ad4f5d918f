"""``python -m search.run``: searches, or continues a search."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("run", *sys.argv[1:])
