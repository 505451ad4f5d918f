"""The list of all plots on the page, in their order.

A plot is a function that takes the facts and the table of epochs and returns a list of ``Plot``. It raises ``NotShown``
where the study holds too little for it. To add one, write the function in a file of its own and add a ``Panel`` here;
the page needs no change.
"""

from __future__ import annotations

from lightsearch.report.plots.curves import curves
from lightsearch.report.plots.importance_bars import importance_bars
from lightsearch.report.plots.landscape import landscape
from lightsearch.report.plots.parallel import parallel
from lightsearch.report.plots.pareto_front import pareto_front
from lightsearch.report.plots.plot import Panel
from lightsearch.report.plots.progress import progress
from lightsearch.report.plots.slices import slices
from lightsearch.report.plots.timeline import timeline

PANELS = (
    Panel(
        "progress",
        "Progress",
        "The best value so far. One dot per finished trial; a triangle at the edge lies beyond it. The time does not "
        "include pauses of the search.",
        progress,
        objectives="one",
    ),
    Panel(
        "front",
        "The objectives against each other",
        "One dot per complete trial. A trial that is better in one objective than a trial on the front is worse in "
        "another. In the plots below, the first objective decides.",
        pareto_front,
        objectives="several",
    ),
    Panel(
        "curves",
        "Learning curves",
        "The metric of each trial after each epoch. Curves that begin below the axis enter it from there. A pruned "
        "trial ends in a cross, one that was not resumed after a pause in a circle.",
        curves,
    ),
    Panel(
        "importances",
        "Importance of the parameters",
        "How well each parameter separates the best quarter of the trials from the rest (PED-ANOVA). A grey bar shows "
        "no more than chance.",
        importance_bars,
        half=True,
    ),
    Panel(
        "landscape",
        "Two parameters together",
        "The metric, smoothed over complete trials; blank where no trial was near. The ring is the best trial.",
        landscape,
        choose="parameters",
        half=True,
    ),
    Panel(
        "slices",
        "Each parameter by itself",
        "The axes end at the bounds of the space. Later trials have a stronger colour, trials that were not trained to "
        "their end are grey, the best is marked.",
        slices,
    ),
    Panel(
        "parallel",
        "All parameters together",
        "One line per complete trial (of many, the best and a sample of the others); the better its rank, the stronger "
        "its colour. Drag along an axis to select; click it to clear the selection.",
        parallel,
    ),
    Panel(
        "timeline",
        "Workers",
        "One bar per trial, in as many rows as trials ran at a time. A trial that pauses has several.",
        timeline,
    ),
)
