"""``python -m search.evaluate``: the best trial's checkpoint on the test set."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("evaluate", *sys.argv[1:])
