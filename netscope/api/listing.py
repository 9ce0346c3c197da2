"""``list_architectures``."""

from netscope import sources
from netscope.schema import Listing


def list_architectures(pattern: str = "*") -> Listing:
    """The names that can be loaded.

    Args:
        pattern: with ``*`` and ``?``, on the name or on ``source/name``; without either, any name that holds it.
    """
    architectures, remarks = sources.list_names(pattern)
    return Listing(pattern=pattern, architectures=architectures, remarks=remarks)
