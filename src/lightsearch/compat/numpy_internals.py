"""Functions that numpy's pickles name. Read in numpy 2.4.6."""

from __future__ import annotations

from numpy._core import multiarray

PICKLE_FUNCTIONS = (multiarray.scalar, multiarray._reconstruct)
"""They build a scalar and an array from a pickle, and run nothing that the pickle brings along."""
