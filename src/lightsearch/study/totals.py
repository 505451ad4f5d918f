"""The totals of a study that nobody names. Nothing is imported here, so that a command knows them at once."""

N_TRIALS = 50
"""The total of trials unless the user asks for another."""

UNLIMITED = 1_000_000
"""A total of trials that no study reaches: that of a study with a budget in epochs."""
