"""Findings: what the trials of a study say about the search itself. Each file holds one check; see ``diagnose.py``."""
