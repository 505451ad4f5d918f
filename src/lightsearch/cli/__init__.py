"""The commands: one file each, parsing and printing only. The work is in the rooms below."""

COMMANDS = {
    "new": "a study file for a class of your own",
    "run": "search, or go on with a search",
    "status": "what a study holds: counts, the best so far, running trials",
    "report": "tables, summaries and a page about a study",
    "dashboard": "Optuna's dashboard in a browser, also while a search runs",
    "evaluate": "the best trial's checkpoint on the test set",
    "retrain": "the leaders on fresh seeds, the winner trained and tested; or a trial again",
}
"""What each command is for, in the order in which they are used."""
