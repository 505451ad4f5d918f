"""A search as a pipeline. Only the coordinator asks the study for trials and records what became of them."""
