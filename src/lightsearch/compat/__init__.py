"""Private names of the libraries below, each with the version in which it was read."""
