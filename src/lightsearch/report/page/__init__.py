"""The page of a report: one HTML file with everything in it, which opens without a network.

``render.py`` puts it together, and ``html.py`` makes a file of it: ``page.html.jinja`` is its text, ``page.css`` its
looks. ``table.py`` and ``trials.py`` say what it knows of each trial.

Of the scripts, ``study.js`` keeps which trials are chosen, and the others follow it: ``filter.js``, ``plots.js``,
``table.js``, ``trial.js`` (one trial), ``explorer.js`` (any two columns). ``live.js`` loads a page again that is served
while a search runs.
"""
