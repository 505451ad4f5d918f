"""Imported by the fork server: whatever a trial imports, so that its process need not."""

import atexit
import gc

import sklearn.datasets  # noqa: F401

import lightsearch.classifier
import lightsearch.components
import lightsearch.data
import lightsearch.trial  # noqa: F401
from lightsearch.storage import preload

preload()
# Moved out of the collector's sight: a collection in a child would touch, and so copy, every page.
gc.freeze()
atexit.register(gc.unfreeze)  # or extension modules complain, on the way out, of what nobody has tidied up
