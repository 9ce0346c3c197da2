"""Python objects: ``package.module:factory`` and ``path/file.py:factory``."""

import inspect
import os
import sys
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netscope.errors import BuildError, UnknownNameError, UsageError, described, did_you_mean
from netscope.runtime.startup import is_own_process
from netscope.schema import Architecture
from netscope.schema.inputs import ForwardInputs
from netscope.sources.base import ResolvedArchitecture
from netscope.sources.construction import check_options

if TYPE_CHECKING:
    from torch import nn

SOURCE = "python"


def is_python_reference(target: str) -> bool:
    """Whether ``target`` names a file or ``module:attribute`` rather than something that a source registered."""
    return ":" in target or target.endswith(".py")


def resolve_python(text: str, target: str, options: dict[str, Any]) -> ResolvedArchitecture:
    """The class, function or module instance that ``target`` names.

    Raises:
        UnknownNameError: no such file, module or attribute.
        UsageError: ``target`` names no attribute, or the options are not the factory's.
        BuildError: the file raises when it is imported.
    """
    from torch import nn

    where, _, attribute = target.rpartition(":") if ":" in target else (target, "", "")
    if is_own_process():
        _look_here_first()
    module = _import_file(Path(where), text) if is_file(where) else _import_module(where, text)
    if not attribute:
        raise UsageError(f"{text} does not say what to build in it: type {where}:{_first_candidate(module)}")
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in vars(module) if not name.startswith("_")]
            raise UnknownNameError(f"{where} does not define {attribute!r}{did_you_mean(attribute, names)}")
        found = getattr(found, part)
    user_owned = isinstance(found, nn.Module)
    if user_owned and options:
        raise UsageError(f"{text}: {attribute} is a module already, so it takes no @ arguments")
    if not user_owned and not callable(found):
        raise BuildError(
            f"{text}: {attribute} is of type {type(found).__name__}, not an nn.Module, a class or a function"
        )
    if not user_owned:
        check_options(found, options, text)
    return ResolvedArchitecture(
        architecture=Architecture(
            spec=text, source=SOURCE, name=target, options=options, description=_doc(found, user_owned)
        ),
        factory=(lambda: found) if user_owned else (lambda: found(**options)),
        default_inputs=example_inputs,
        user_owned=user_owned,
    )


def user_module(module: Any) -> ResolvedArchitecture:
    """A module that a caller of the library holds in his hands.

    Raises:
        UsageError: it is no module.
    """
    from torch import nn

    if not isinstance(module, nn.Module):
        got = f"the class {module.__name__}: make one" if isinstance(module, type) else f"a {type(module).__name__}"
        raise UsageError(f"expected a torch.nn.Module or an architecture's name, got {got}")
    name = type(module).__name__
    return ResolvedArchitecture(
        architecture=Architecture(
            spec=name, source=SOURCE, name=name, options={}, description=_doc(module, user_owned=True)
        ),
        factory=lambda: module,
        default_inputs=example_inputs,
        user_owned=True,
    )


def example_inputs(module: "nn.Module") -> ForwardInputs | None:
    """What the module itself says it takes: ``example_input_array``, as Lightning's modules do."""
    example = getattr(module, "example_input_array", None)
    if example is None:
        return None
    if isinstance(example, dict):
        return ForwardInputs(kwargs=example)
    return ForwardInputs(args=example if isinstance(example, tuple) else (example,), kwargs={})


def _doc(found: Any, user_owned: bool) -> str:
    """The first line of the factory's own docstring; torch's describe its classes, not what is made of them."""
    if (type(found) if user_owned else found).__module__.startswith("torch."):
        return ""
    doc = vars(type(found) if user_owned else found).get("__doc__") if hasattr(found, "__dict__") else None
    return inspect.cleandoc(doc).partition("\n")[0] if isinstance(doc, str) else ""


def is_file(where: str) -> bool:
    """Whether what stands before the colon is a path rather than the name of a module."""
    return where.endswith(".py") or "/" in where or "\\" in where


def _first_candidate(module: ModuleType) -> str:
    from torch import nn

    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    classes = [name for name, value in own.items() if inspect.isclass(value) and issubclass(value, nn.Module)]
    return (classes or [name for name, value in own.items() if callable(value)] or ["NAME"])[-1]


def _look_here_first() -> None:
    """Has modules looked for in the working directory, and in its ``src``: also one that is installed from elsewhere.

    For Python objects alone: what stands here must not take the place of what a registered architecture imports.
    """
    here = [str(Path.cwd()), *(str(source) for source in [Path.cwd() / "src"] if source.is_dir())]
    sys.path[:] = [*here, *(entry for entry in sys.path if entry not in here)]


def _import_module(name: str, text: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{text}: {name!r} is no name of a Python module; write package.module:factory")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.split(".")[: len(error.name.split("."))] == error.name.split("."):
            raise UnknownNameError(f"{text}: there is no Python module {error.name!r} here") from error
        raise BuildError(f"{text}: importing {name} raised {described(error)}") from error
    except (Exception, SystemExit) as error:
        raise BuildError(f"{text}: importing {name} raised {described(error)}") from error


_ROOTS: set[Path] = set()
"""Folders whose files were imported."""


def _make_room(root: Path) -> None:
    """Puts ``root`` first where modules are looked for, and forgets its names that came from other such folders.

    Two projects may both have a ``models.py`` or a ``helper.py``, and each means its own.
    """
    if str(root) in sys.path:
        sys.path.remove(str(root))
    sys.path.insert(0, str(root))
    others = [str(other) + os.sep for other in _ROOTS if other != root]
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        is_here = (root / f"{top}.py").is_file() or (root / top).is_dir()
        file = getattr(module, "__file__", None) or ""
        if is_here and file.startswith(tuple(others)) and not file.startswith(str(root) + os.sep):
            del sys.modules[name]
    _ROOTS.add(root)
    invalidate_caches()


def package_root(path: Path) -> Path:
    """The folder in which a file, or the package that it is in, can be imported."""
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _import_file(path: Path, text: str) -> ModuleType:
    """The file as a module; within a package (an ``__init__.py`` beside it) under its name there.

    What stands beside the file, or beside its package, can be imported by it, as if Python had been started there; also
    relatively.
    """
    if not path.is_file() or path.suffix != ".py":
        raise UnknownNameError(f"{text}: there is no Python file {str(path)!r} here")
    path = path.resolve()
    root = package_root(path)
    parts = path.relative_to(root).with_suffix("").parts
    _make_room(root)
    name = ".".join(parts)
    try:
        if len(parts) > 1:
            return import_module(name)
        # A name of its own: a file may be called like an installed package, and may have changed since last time.
        folder = f"netscope_folder_{str(root).encode().hex()}"
        sys.modules.setdefault(folder, ModuleType(folder)).__path__ = [str(root)]
        name = f"{folder}.{path.stem}"
        spec = spec_from_file_location(name, path)
        module = module_from_spec(spec)  # type: ignore[arg-type]  # a .py file always has a spec and a loader
        sys.modules[name] = module
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise BuildError(f"{text}: {path.name}{line}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise BuildError(f"{text}: importing {path.name} raised {described(error)}") from error
    return module
