"""The fingerprint of everything that results depend on except the request: Python, machine, packages, environment."""

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
"""Prefixes of the environment variables that Python, torch, torchvision, timm and transformers read.

Python takes the encoding of files from ``LANG`` and ``LC_*``, and transformers the way to split layers from ``SM_*``.
Variables for the location of downloads, logging and training are left out: no cached result depends on them.
"""

_TORCH_MODULE = "_remote_module_non_scriptable"
"""A module that torch 2.6 writes to a temporary folder and imports together with its compiler."""

_SITES = frozenset({"site-packages", "dist-packages"})
_METADATA = ("METADATA", "RECORD", "PKG-INFO", "direct_url.json")
_IMPORTABLE = (".py", ".pyc", ".so", ".pyd")


def fingerprint() -> bytes:
    """Returns a digest that changes with any of the following.

    - Python: version, flags and location;
    - the machine: system, name, number of cores, and whether it has an NVIDIA driver;
    - every installed distribution: name, version and metadata, without importing it;
    - other importable files, which may shadow installed ones: names, sizes and times;
    - netscope's own files, if it runs from a source tree;
    - the environment variables that torch and related packages read.
    """
    facts = (
        (sys.version, sys.prefix, tuple(sys.flags), sys.byteorder),
        (os.name, *_describe_machine(), os.cpu_count(), cores(), NVIDIA_DRIVER.exists()),
        tuple(_iterate_importable()),
        tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(PREFIXES))),
    )
    return blake2b(repr(facts).encode(errors="surrogatepass"), digest_size=16).digest()


OWN_FOLDER = Path(__file__).resolve().parent.parent
"""The folder of the package netscope."""


@cache
def _list_installed_roots() -> tuple[str, ...]:
    """Returns the folders, ending in a separator, of files that a version identifies instead of their content."""
    folders = {Path(STANDARD_LIBRARY), OWN_FOLDER, *(Path(entry) for entry in sys.path if Path(entry).name in _SITES)}
    return tuple(sorted({f"{path}{os.sep}" for folder in folders for path in (folder, folder.resolve())}))


@cache
def is_installed(path: str) -> bool:
    """Returns whether the file belongs to Python, to an installed distribution, or to netscope."""
    return path.startswith(_list_installed_roots())


def _describe_machine() -> tuple[str, ...]:
    return tuple(os.uname()) if hasattr(os, "uname") else (os.environ.get("COMPUTERNAME", ""),)


def _iterate_importable() -> Iterator[tuple[object, ...]]:
    for entry in sys.path:
        with suppress(OSError):
            if Path(entry).name in _SITES:
                yield from sorted(_iterate_site(entry))
            elif not is_installed(f"{Path(entry).absolute()}{os.sep}"):
                yield from sorted(_iterate_local_entries(entry))
    if _SITES.isdisjoint(OWN_FOLDER.parts):
        yield from sorted(_iterate_tree(OWN_FOLDER))


def list_local_modules() -> tuple[str, ...]:
    """Returns the names of imported modules that are not installed, including those of editable installations.

    Such modules may have changed anything in this process, and have no version that identifies them.
    """
    command = sys.modules["__main__"]  # multiprocessing also imports it under another name
    modules = [
        (name, module) for name, module in list(sys.modules.items()) if module is not command and name != _TORCH_MODULE
    ]
    return tuple(name for name, module in modules if any(not is_installed(path) for path in _find_paths(module)))


def _find_paths(module: object) -> list[str]:
    """Returns the absolute paths of a module's file and of a package's folders."""
    folders = [f"{folder}{os.sep}" for folder in getattr(module, "__dict__", {}).get("__path__", ())]
    # The modules that torch generates have a file name without a folder.
    return [
        path
        for path in (getattr(module, "__file__", None), *folders)
        if isinstance(path, str) and os.path.isabs(path)  # noqa: PTH117 - faster, for thousands of modules
    ]


def _iterate_local_entries(entry: str) -> Iterator[tuple[object, ...]]:
    """Yields the modules that can be imported from a folder or an archive outside the installation, with their stamps.

    Nothing is cached once such a module was imported, so the contents of packages are irrelevant. They are only listed
    because a new one may shadow an installed package.
    """
    if Path(entry).is_file():
        yield (entry, _stamp(entry))
        return
    with os.scandir(entry or ".") as entries:
        for found in entries:
            if found.name.endswith((".dist-info", ".egg-info")):
                yield (found.name, *_stamp_metadata(found.path))
            elif found.name.endswith(_IMPORTABLE):
                yield (found.name, _stamp(found.path))
            elif found.name.isidentifier() and found.name != "__pycache__" and found.is_dir():
                yield (found.name, _stamp(f"{found.path}/__init__.py"))


def _stamp_metadata(folder: str) -> Iterator[tuple[int, int] | None]:
    return (_stamp(os.path.join(folder, file)) for file in _METADATA)  # noqa: PTH118 - faster, for hundreds of files


def _iterate_site(folder: str) -> Iterator[tuple[object, ...]]:
    """Yields the entries of a site-packages folder by name, with size and time of metadata and single files."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith((".dist-info", ".egg-info")):
                yield (name, *_stamp_metadata(entry.path))
            elif name.endswith((".pth", ".egg-link", ".py")):
                yield (name, _stamp(entry.path))
            elif entry.is_symlink():
                yield from _iterate_tree(Path(entry.path).resolve())
            elif name != "__pycache__":
                yield (name,)


def _iterate_tree(folder: Path) -> Iterator[tuple[object, ...]]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            path = os.path.join(parent, name)  # noqa: PTH118 - faster, for hundreds of files
            yield (path, _stamp(path))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - faster, for hundreds of files
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
