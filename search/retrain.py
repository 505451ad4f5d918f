"""``python -m search.retrain``: the leaders on fresh seeds; the winner trained, tested once and exported."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("retrain", *sys.argv[1:])
