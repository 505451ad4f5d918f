"""The module that the fork server imports: it imports all that a trial needs, so that no child has to."""

import atexit
import contextlib
import gc
import importlib
import json
import os
import sys

from lightsearch.launchers.fork_server import PRELOAD_VARIABLE
from lightsearch.machine.imports import without_collections


def import_all() -> None:
    """Imports what every trial needs, and then the modules of the user's classes."""
    import lightsearch.data
    import lightsearch.declare.classes
    import lightsearch.models.classifier
    import lightsearch.training.function_trial
    import lightsearch.training.trial  # noqa: F401
    from lightsearch.storage.opening import preload

    preload()
    given = json.loads(os.environ.pop(PRELOAD_VARIABLE, "{}"))
    sys.path += [folder for folder in given.get("path", []) if folder not in sys.path]
    for module in given.get("modules", []):
        with contextlib.suppress(Exception):  # the child that needs it reports the error
            importlib.import_module(module)


with without_collections():
    import_all()
    # Hidden from the garbage collector: a collection in a child would write to, and so copy, every page of memory.
    gc.freeze()
atexit.register(gc.unfreeze)  # else extension modules report leaks at exit
