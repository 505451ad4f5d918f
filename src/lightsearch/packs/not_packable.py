"""The error of a step that a pack cannot take."""


class NotPackable(Exception):
    """The steps of a module cannot be taken for several members at once."""
