"""A search as a pipeline: checked, opened, sized, launched, run.

``pipeline.py`` is the page to read. Only the coordinator asks the study for trials and records their outcomes. It runs
them in a job loop (``job_loop.py``), which the retraining of ``lightsearch.confirm`` shares.
"""
