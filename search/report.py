"""``python -m search.report``: tables, summaries and a page about a study."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("report", *sys.argv[1:])
