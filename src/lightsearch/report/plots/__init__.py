"""The plots of the page: one file per plot. To add a plot, write a file and add a line to ``panels.PANELS``."""
