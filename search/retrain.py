"""``python -m search.retrain``: the leaders on fresh seeds; the winner trained, tested once and exported."""

from lightsearch.cli.command import run
from lightsearch.cli.retrain import main

if __name__ == "__main__":
    run(main, "retrain")
