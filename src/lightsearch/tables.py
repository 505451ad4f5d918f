"""The tables of a study, for scripts and notebooks: ``from lightsearch import tables``."""

from lightsearch.report.tables.epoch_table import epoch_table as epochs
from lightsearch.report.tables.trial_table import trial_table as trials

__all__ = ["epochs", "trials"]
