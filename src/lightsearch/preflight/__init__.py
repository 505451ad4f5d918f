"""Checks before anything is stored: classes, arguments, the Trainer, and a dry run of one batch."""
