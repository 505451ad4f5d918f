"""What lightsearch uses of other libraries without a promise: private names, and names that differ between copies.

Each file names the versions in which it was read. ``tests/compat/`` checks every name with a small fit, and
``pyproject.toml`` bounds the versions.
"""
