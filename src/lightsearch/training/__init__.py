"""One trial: built, seeded, fitted with a Lightning Trainer, pruned, checkpointed."""
