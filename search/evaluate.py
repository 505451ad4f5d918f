"""``python -m search.evaluate``: the best trial's checkpoint on the test set."""

from lightsearch.cli.command import run
from lightsearch.cli.evaluate import main

if __name__ == "__main__":
    run(main, "evaluate")
