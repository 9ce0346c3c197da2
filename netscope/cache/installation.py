"""What every answer rests on besides its question: Python, the machine, what is installed, and the environment."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

from netscope.runtime.machine import cores

NVIDIA_DRIVER = Path("/dev/nvidiactl")

STANDARD_LIBRARY = f"{Path(os.__file__).parent}{os.sep}"

PREFIXES = (
    "ACCELERATE", "AOT", "ATEN", "BITSANDBYTES", "C10", "CUBLAS", "CUDA", "CUDNN", "DISABLE_", "DNNL", "DYLD_",
    "EAGER_IMPORT", "FLASH", "FSDP", "FX_", "GOMP", "HF_", "HUGGINGFACE", "KMP", "LANG", "LC_", "LD_", "LIBTORCH",
    "LOCAL_RANK", "MKL", "MPS", "NCCL", "NPY", "NUMEXPR", "NUMPY", "NVIDIA", "OMP", "ONEDNN", "OPENBLAS", "PJRT", "PT2",
    "PYTHON", "PYTORCH", "RANK", "ROCM", "SAFETENSORS", "SM_", "SYMPY", "TIMM", "TORCH", "TRANSFORMERS", "TRITON",
    "USE_", "WORLD_SIZE", "XFORMERS", "XLA",
)  # fmt: skip
"""What the names of variables begin with that Python, torch, torchvision, timm and transformers look at.

Python takes the encoding of files from ``LANG`` and ``LC_*``, and transformers the way in which layers are split from
``SM_*``. Left out is what says where downloads lie, how they are logged and how a model is trained: no answer that is
kept rests on a download or on training.
"""

_OF_TORCH = "_remote_module_non_scriptable"
"""A module that torch 2.6 writes into a temporary folder and imports together with its compiler."""

_SITES = frozenset({"site-packages", "dist-packages"})
_METADATA = ("METADATA", "RECORD", "PKG-INFO", "direct_url.json")
_IMPORTABLE = (".py", ".pyc", ".so", ".pyd")


def fingerprint() -> bytes:
    """A digest that is another one once anything of this is another.

    - Python: version, flags, and where it is installed;
    - the machine: its system, name and cores, and whether it has an NVIDIA driver;
    - every installed distribution, by its name, version and metadata, without importing it;
    - what else could be imported, and so take the place of what is installed, by names, sizes and times;
    - netscope's own files, if it is run from where they are written;
    - the environment's variables that torch and its like look at.
    """
    facts = (
        (sys.version, sys.prefix, tuple(sys.flags), sys.byteorder),
        (os.name, *_machine(), os.cpu_count(), cores(), NVIDIA_DRIVER.exists()),
        tuple(_importable()),
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


def _importable() -> Iterator[tuple[object, ...]]:
    for entry in sys.path:
        with suppress(OSError):
            if Path(entry).name in _SITES:
                yield from sorted(_site(entry))
            elif not is_installed(f"{Path(entry).absolute()}{os.sep}"):
                yield from sorted(_loose(entry))
    if _SITES.isdisjoint(OWN_FOLDER.parts):
        yield from sorted(_tree(OWN_FOLDER))


def list_local_modules() -> tuple[str, ...]:
    """Returns the names of the modules that were imported, in whole or in part, from elsewhere than what is installed.

    They may have changed anything in this process. Those of a package that is installed editably are among them.
    """
    command = sys.modules["__main__"]  # which multiprocessing has under another name as well
    modules = [
        (name, module) for name, module in list(sys.modules.items()) if module is not command and name != _OF_TORCH
    ]
    return tuple(name for name, module in modules if any(not is_installed(place) for place in _places(module)))


def _places(module: object) -> list[str]:
    """Returns the module's file, and where the modules of a package are looked for."""
    folders = [f"{folder}{os.sep}" for folder in getattr(module, "__dict__", {}).get("__path__", ())]
    # torch gives modules of its own making a file without a folder.
    return [
        place
        for place in (getattr(module, "__file__", None), *folders)
        if isinstance(place, str) and os.path.isabs(place)  # noqa: PTH117 - thousands of them
    ]


def _loose(entry: str) -> Iterator[tuple[object, ...]]:
    """What could be imported from a folder or an archive that belongs to no installation.

    Nothing is kept once one of these modules was imported, so the contents of packages do not matter: what does is
    whether another one would be imported now.
    """
    if Path(entry).is_file():
        yield (entry, _stamp(entry))
        return
    with os.scandir(entry or ".") as entries:
        for found in entries:
            if found.name.endswith((".dist-info", ".egg-info")):
                yield (found.name, *_metadata(found.path))
            elif found.name.endswith(_IMPORTABLE):
                yield (found.name, _stamp(found.path))
            elif found.name.isidentifier() and found.name != "__pycache__" and found.is_dir():
                yield (found.name, _stamp(f"{found.path}/__init__.py"))


def _metadata(folder: str) -> Iterator[tuple[int, int] | None]:
    return (_stamp(os.path.join(folder, file)) for file in _METADATA)  # noqa: PTH118 - many


def _site(folder: str) -> Iterator[tuple[object, ...]]:
    """What there is, by name, and of what has a version the metadata's size and time."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith((".dist-info", ".egg-info")):
                yield (name, *_metadata(entry.path))
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
