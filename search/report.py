"""``python -m search.report``: tables, summaries and a page about a study."""

from lightsearch.cli.command import run
from lightsearch.cli.report import main

if __name__ == "__main__":
    run(main, "report")
