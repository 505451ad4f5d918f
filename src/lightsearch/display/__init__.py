"""How a search is shown while it runs: on a terminal, in a pipe, in a notebook."""
