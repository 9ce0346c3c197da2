"""Results on disk, and the fingerprint of the installation that they depend on. Does not import torch."""

from netscope.cache.installation import fingerprint, list_local_modules
from netscope.cache.location import FOLDER_VARIABLE, LIMIT_BYTES, find_folder
from netscope.cache.store import Store, StoreError

__all__ = ["FOLDER_VARIABLE", "LIMIT_BYTES", "Store", "StoreError", "find_folder", "fingerprint", "list_local_modules"]
