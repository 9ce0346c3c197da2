"""Where the cache lies, and how large it may get."""

import os
from pathlib import Path

FOLDER_VARIABLE = "NETSCOPE_CACHE_DIR"

LIMIT_BYTES = 256 * 2**20
"""Of all answers together: some ten thousand."""


def find_folder() -> Path:
    """``NETSCOPE_CACHE_DIR``, or else where the system keeps such things for the user."""
    asked = os.environ.get(FOLDER_VARIABLE)
    if asked:
        return Path(os.path.expanduser(asked))  # noqa: PTH111 - which leaves what it does not know as it is
    from platformdirs import user_cache_path

    return user_cache_path("netscope", appauthor=False)
