"""``python -m search.dashboard``: all studies of the storage in a browser."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("dashboard", *sys.argv[1:])
