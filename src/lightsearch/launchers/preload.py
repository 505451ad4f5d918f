"""Imported by the fork server: whatever a trial imports, so that its process need not."""

import atexit
import contextlib
import gc
import importlib
import json
import os
import sys

import sklearn.datasets  # noqa: F401

import lightsearch.data
import lightsearch.declare.classes
import lightsearch.models.classifier
import lightsearch.training.function_trial
import lightsearch.training.trial  # noqa: F401
from lightsearch.launchers.fork_server import PRELOAD_VARIABLE
from lightsearch.storage.opening import preload

preload()
given = json.loads(os.environ.pop(PRELOAD_VARIABLE, "{}"))
sys.path += [folder for folder in given.get("path", []) if folder not in sys.path]
for module in given.get("modules", []):
    with contextlib.suppress(Exception):  # a child will say what is wrong with it
        importlib.import_module(module)
# Moved out of the collector's sight: a collection in a child would touch, and so copy, every page.
gc.freeze()
atexit.register(gc.unfreeze)  # or extension modules complain, on the way out, of what nobody has tidied up
