"""Optuna's storage: opened, locked, retried, read by the row; and trials' files in an object store."""
