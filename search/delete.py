"""``python -m search.delete``: deletes a study and its files."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("delete", *sys.argv[1:])
