"""Packs: trials that train together, in lockstep on the same batches, each with the result that it has alone.

A member of a pack is an ordinary trial: it has its own Trainer, callbacks, checkpoints and reports. Only the training
steps of an epoch are taken together, by an engine that holds the parameters of many modules side by side.
"""
