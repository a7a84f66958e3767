"""The one error family for data on disk."""


class DataError(ValueError):
    """Raised when data on disk cannot be used; the message names the file and the remedy."""
