"""``python -m search.dashboard``: all studies of the storage in a browser."""

from lightsearch.cli.command import run
from lightsearch.cli.dashboard import main

if __name__ == "__main__":
    run(main, "dashboard")
