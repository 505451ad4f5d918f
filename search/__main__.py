"""``python -m search``: the commands together, as ``lightsearch``."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run(*sys.argv[1:])
