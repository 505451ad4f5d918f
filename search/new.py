"""``python -m search.new``: a study file for a class of your own."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("new", *sys.argv[1:])
