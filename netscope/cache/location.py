"""The folder of the cache, and its maximum size."""

import os
from pathlib import Path

FOLDER_VARIABLE = "NETSCOPE_CACHE_DIR"

LIMIT_BYTES = 256 * 2**20
"""Maximum size of all results together, enough for some ten thousand."""


def find_folder() -> Path:
    """Returns ``NETSCOPE_CACHE_DIR`` if it is set, otherwise the system's cache folder for the user."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen))  # noqa: PTH111 - pathlib's raises for an unknown user
    from platformdirs import user_cache_path

    return user_cache_path("netscope", appauthor=False)
