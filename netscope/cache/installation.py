"""What every answer rests on besides its question: Python, the machine, what is installed, and the environment."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

from netscope.machine import cores

NVIDIA_DRIVER = Path("/dev/nvidiactl")

STANDARD_LIBRARY = f"{Path(os.__file__).parent}{os.sep}"

PREFIXES = (
    "AOT", "ATEN", "BITSANDBYTES", "C10", "CUBLAS", "CUDA", "CUDNN", "DISABLE_", "DNNL", "DYLD_", "FLASH", "FX_",
    "GOMP", "HF_", "HUGGINGFACE", "KMP", "LD_", "LIBTORCH", "MKL", "MPS", "NCCL", "NPY", "NUMEXPR", "NUMPY", "NVIDIA",
    "OMP", "ONEDNN", "OPENBLAS", "PJRT", "PT2", "PYTHON", "PYTORCH", "ROCM", "SAFETENSORS", "SYMPY", "TIMM", "TORCH",
    "TRANSFORMERS", "TRITON", "USE_", "XFORMERS", "XLA",
)  # fmt: skip
"""What the names of variables begin with that Python, torch and what is built on it look at."""

_SITES = frozenset({"site-packages", "dist-packages"})
_METADATA = ("METADATA", "RECORD", "PKG-INFO", "direct_url.json")


def fingerprint() -> bytes:
    """A digest that is another one once anything of this is another.

    - Python: version, flags, and where it is installed;
    - the machine: its system, name and cores, and whether it has an NVIDIA driver;
    - every installed distribution, by its name, version and metadata, without importing it;
    - netscope's own files, if it is run from where they are written;
    - the environment's variables that torch and its like look at.
    """
    facts = (
        (sys.version, sys.prefix, tuple(sys.flags), sys.byteorder),
        (os.name, *_machine(), os.cpu_count(), cores(), NVIDIA_DRIVER.exists()),
        tuple(_installed()),
        tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(PREFIXES))),
    )
    return blake2b(repr(facts).encode(errors="surrogatepass"), digest_size=16).digest()


OWN_FOLDER = Path(__file__).resolve().parent.parent
"""Where netscope itself is."""


@cache
def _installed_roots() -> tuple[str, ...]:
    """Folders, each with a separator behind it, of what is known by its version rather than by its contents."""
    places = {Path(STANDARD_LIBRARY), OWN_FOLDER, *(Path(entry) for entry in sys.path if Path(entry).name in _SITES)}
    return tuple(sorted({f"{path}{os.sep}" for place in places for path in (place, place.resolve())}))


@cache
def is_installed(path: str) -> bool:
    """Whether the file belongs to Python, to an installed distribution, or to netscope."""
    return path.startswith(_installed_roots())


def _machine() -> tuple[str, ...]:
    return tuple(os.uname()) if hasattr(os, "uname") else (os.environ.get("COMPUTERNAME", ""),)


def _installed() -> Iterator[tuple[object, ...]]:
    for entry in sys.path:
        if Path(entry).name in _SITES:
            with suppress(OSError):
                yield from sorted(_site(entry))
    if _SITES.isdisjoint(OWN_FOLDER.parts):
        yield from sorted(_tree(OWN_FOLDER))


def _site(folder: str) -> Iterator[tuple[object, ...]]:
    """What there is, by name, and of what has a version the metadata's size and time."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith((".dist-info", ".egg-info")):
                yield (name, *(_stamp(os.path.join(entry.path, file)) for file in _METADATA))  # noqa: PTH118 - many
            elif name.endswith((".pth", ".egg-link", ".py")):
                yield (name, _stamp(entry.path))
            elif entry.is_symlink():
                yield from _tree(Path(entry.path).resolve())
            elif name != "__pycache__":
                yield (name,)


def _tree(folder: Path) -> Iterator[tuple[object, ...]]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            path = os.path.join(place, name)  # noqa: PTH118 - hundreds of them at each start
            yield (path, _stamp(path))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
