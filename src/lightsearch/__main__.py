"""``python -m lightsearch``: the command ``lightsearch``."""

from lightsearch.cli.app import main

if __name__ == "__main__":
    main()
