"""How a search appears while it runs: on a terminal, in a pipe, in a notebook."""
