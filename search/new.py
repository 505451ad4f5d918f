"""``python -m search.new``: a study file for a class of your own."""

from lightsearch.cli.command import run
from lightsearch.cli.new import main

if __name__ == "__main__":
    run(main, "new")
