"""What a person types in a clone (``python -m search.run``): each file forwards to its command in ``lightsearch.cli``."""
