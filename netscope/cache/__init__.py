"""Answers on disk, and what all of them rest on. Knows nothing of architectures, and needs no torch."""

from netscope.cache.installation import fingerprint, loose_modules
from netscope.cache.location import FOLDER_VARIABLE, LIMIT_BYTES, folder
from netscope.cache.store import Store, StoreError

__all__ = [
    "FOLDER_VARIABLE",
    "LIMIT_BYTES",
    "Store",
    "StoreError",
    "fingerprint",
    "folder",
    "loose_modules",
]
