"""From a search to a decision: the leaders on fresh seeds, a choice, the chosen one trained, tested and handed over.

The winner of a search is partly luck: of many trials with one seed each, the best is one whose luck was good as well.
Read ``retrain.py`` first.
"""
