"""A study in its storage: created or opened, its queue of trials, leases, samplers, the best trials."""
