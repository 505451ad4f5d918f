"""``python -m search.enqueue``: a configuration to run next."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("enqueue", *sys.argv[1:])
