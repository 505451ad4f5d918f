"""``python -m search.export``: the winning configuration of a LightningCLI project, as YAML."""

import sys

from lightsearch.cli.app import run

if __name__ == "__main__":
    run("export", *sys.argv[1:])
