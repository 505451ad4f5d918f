"""Names of Optuna, Lightning and torch that are private or differ, each with the versions in which it was read."""
