"""What a person types in a clone: ``python -m search.run``. Files forward to their commands in ``lightsearch.cli``."""
