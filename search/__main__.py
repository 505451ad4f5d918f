"""``python -m search``: the commands together."""

COMMANDS = {
    "run": "search, or go on with a search",
    "status": "what a study holds: counts, the best so far, running trials",
    "evaluate": "the best trial's checkpoint on the test set",
}


def main() -> None:
    print("usage: python -m search.COMMAND [--help]\n")
    for name, purpose in COMMANDS.items():
        print(f"  python -m search.{name:<10} {purpose}")
    print("\n  optuna-dashboard sqlite:///studies/studies.db    all studies in a browser")


if __name__ == "__main__":
    main()
