"""Names of what lightsearch measures of a trial's model itself (see ``training.measures``)."""

MEASURES = ("parameters", "latency_ms")
"""``parameters``: trainable parameters; ``latency_ms``: milliseconds of one sample's forward pass on the CPU."""
SPREAD = "_spread"
"""What the spread of a measure is called: ``latency_ms_spread``."""
