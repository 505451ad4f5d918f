"""``python -m search.status``: what a study holds."""

from lightsearch.cli.command import run
from lightsearch.cli.status import main

if __name__ == "__main__":
    run(main, "status")
