"""``python -m search``: the commands together."""

from lightsearch.cli import COMMANDS

if __name__ == "__main__":
    print("usage: python -m search.COMMAND [--help]\n")
    for name, purpose in COMMANDS.items():
        print(f"  python -m search.{name:<10} {purpose}")
