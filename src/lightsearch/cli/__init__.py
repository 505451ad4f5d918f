"""The commands, one file each: they parse options and print results. The work is in the rooms below."""

COMMANDS = {
    "new": "a study file for a class of your own",
    "run": "search, or continue a search",
    "enqueue": "a configuration to run next, also while a search runs",
    "stop": "stops the searches on a study from anywhere, or ends one trial",
    "status": "the state of a study: counts, the best so far, running trials",
    "report": "tables, summaries and a page about a study",
    "dashboard": "Optuna's dashboard in a browser, also while a search runs",
    "evaluate": "the best trial's checkpoint on the test set",
    "export": "the winning configuration of a LightningCLI project, as YAML",
    "retrain": "the leaders on fresh seeds, the winner trained and tested; or one trial reproduced",
    "delete": "deletes a study and its files",
}
"""The purpose of each command, in the order of use."""
