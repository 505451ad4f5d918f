"""From a search to a tested model: leaders on fresh seeds, a choice, its training on all data, its test, its export.

The winner of a search is partly luck: among many trials with one seed each, the best one had a good seed as well. The
file to read first is ``retrain.py``.
"""
