"""Answers on disk, with what each rests on. Knows nothing of architectures, and needs no torch."""

from netscope.cache.footprint import Footprint, Recording, current_recording, listen, loose_modules, recording
from netscope.cache.installation import fingerprint
from netscope.cache.location import FOLDER_VARIABLE, LIMIT_BYTES, folder
from netscope.cache.store import Store, StoredAnswer, StoreError, Usage

__all__ = [
    "FOLDER_VARIABLE",
    "LIMIT_BYTES",
    "Footprint",
    "Recording",
    "Store",
    "StoreError",
    "StoredAnswer",
    "Usage",
    "current_recording",
    "fingerprint",
    "folder",
    "listen",
    "loose_modules",
    "recording",
]
