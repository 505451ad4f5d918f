"""``python -m search.status``: the state of a study."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("status", *sys.argv[1:])
