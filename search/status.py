"""``python -m search.status``: the state of a study."""

from lightsearch.cli.command import run
from lightsearch.cli.status import main

if __name__ == "__main__":
    run(main, "status")
