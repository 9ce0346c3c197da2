"""Results on disk, and the fingerprint of the installation that they depend on. Does not import torch."""

from netscope.cache.installation import fingerprint, list_local_modules
from netscope.cache.store import Store, StoreError, open_store

__all__ = ["Store", "StoreError", "fingerprint", "list_local_modules", "open_store"]
