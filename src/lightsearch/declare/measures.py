"""Names of the measures that lightsearch takes of a trial's model (see ``training.measures``)."""

MEASURES = ("parameters", "latency_ms")
"""``parameters``: trainable parameters; ``latency_ms``: milliseconds of one sample's forward pass on the CPU."""
SPREAD = "_spread"
"""Suffix of the name of a measure's spread: ``latency_ms_spread``."""
