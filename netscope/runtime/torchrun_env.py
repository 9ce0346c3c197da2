"""Whether torchrun has started this process, and as which of several; by what it leaves in the environment."""

import os


def in_group() -> bool:
    """Whether torchrun has, as one of several or by itself."""
    return {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"} <= set(os.environ)


def rank() -> int:
    """This process's place among all of them; 0 alone."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Its place among those on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def group_size() -> int:
    """How many processes there are on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_group_size() -> int:
    """How many there are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
