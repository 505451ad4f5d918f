"""Packs: trials that train together, in lockstep on the same batches, each as if it were alone.

A member is an ordinary trial: Lightning's Trainer, the callbacks, the checkpoints, the reports are its own. Only the
epochs' steps are taken together, by an engine that holds the parameters of many modules side by side.
"""
