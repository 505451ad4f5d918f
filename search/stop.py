"""``python -m search.stop``: stops the searches on a study, or ends a trial."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("stop", *sys.argv[1:])
