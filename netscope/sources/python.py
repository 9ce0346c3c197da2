"""Resolves Python objects: ``package.module:factory`` and ``path/file.py:factory``."""

import inspect
import os
import sys
from hashlib import sha256
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netscope.errors import BuildError, UnknownNameError, UsageError, describe_error, did_you_mean
from netscope.runtime.startup import is_own_process
from netscope.schema import Architecture
from netscope.schema.inputs import ForwardInputs
from netscope.sources.base import ResolvedArchitecture
from netscope.sources.construction import check_options

if TYPE_CHECKING:
    from torch import nn

SOURCE = "python"

STDIN = "-"
"""The file name that means Python code from stdin."""

_FOLDER_MODULE = "netscope_folder_"
"""Prefix of the names of modules that represent folders of imported files; the folder is their ``__path__``."""


def is_python_reference(target: str) -> bool:
    """Returns whether ``target`` is a Python file or ``module:attribute`` instead of a registered name."""
    return ":" in target or target.endswith(".py") or target == STDIN


def resolve_python(text: str, target: str, options: dict[str, Any]) -> ResolvedArchitecture:
    """Returns the class, function or module instance that ``target`` names.

    Raises:
        UnknownNameError: the file, module or attribute does not exist.
        UsageError: ``target`` has no attribute, or the factory does not accept the options.
        BuildError: importing the file raised, or the attribute is not a factory.
    """
    from torch import nn

    where, _, attribute = target.rpartition(":") if ":" in target else (target, "", "")
    if is_own_process():
        _prepend_working_directory()
    if where == STDIN:
        module = _import_stdin()
    else:
        module = _import_file(Path(where), text) if is_path(where) else _import_module(where, text)
    attribute = attribute or _choose_attribute(module, where)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in vars(module) if not name.startswith("_")]
            raise UnknownNameError(f"{where} does not define {attribute!r}{did_you_mean(attribute, names)}")
        found = getattr(found, part)
    user_owned = isinstance(found, nn.Module)
    if user_owned and options:
        raise UsageError(f"{text}: {attribute} is already an instance of nn.Module and takes no @ options")
    if not user_owned and not callable(found):
        raise BuildError(f"{text}: {attribute} must be an nn.Module, a class or a function, not {type(found).__name__}")
    if not user_owned:
        check_options(found, options, text)
    return ResolvedArchitecture(
        architecture=Architecture(
            spec=text,
            source=SOURCE,
            name=f"{where}:{attribute}",
            options=options,
            description=_read_summary_line(found, user_owned),
        ),
        factory=(lambda: found) if user_owned else (lambda: found(**options)),
        default_inputs=read_example_inputs,
        user_owned=user_owned,
    )


def resolve_module(module: Any) -> ResolvedArchitecture:
    """Returns the architecture of a module instance that the caller passed in.

    Raises:
        UsageError: ``module`` is not an nn.Module.
    """
    from torch import nn

    if not isinstance(module, nn.Module):
        got = f"the class {module.__name__}: make one" if isinstance(module, type) else f"a {type(module).__name__}"
        raise UsageError(f"expected a torch.nn.Module or an architecture's name, got {got}")
    name = type(module).__name__
    return ResolvedArchitecture(
        architecture=Architecture(
            spec=name, source=SOURCE, name=name, options={}, description=_read_summary_line(module, user_owned=True)
        ),
        factory=lambda: module,
        default_inputs=read_example_inputs,
        user_owned=True,
    )


def read_example_inputs(module: "nn.Module") -> ForwardInputs | None:
    """Returns the module's ``example_input_array``, which Lightning defines; None if it has none."""
    example = getattr(module, "example_input_array", None)
    if example is None:
        return None
    if isinstance(example, dict):
        return ForwardInputs(kwargs=example)
    return ForwardInputs(args=example if isinstance(example, tuple) else (example,), kwargs={})


def _read_summary_line(found: Any, user_owned: bool) -> str:
    """Returns the first line of the factory's docstring; empty for torch classes, which do not describe the model."""
    if (type(found) if user_owned else found).__module__.startswith("torch."):
        return ""
    doc = vars(type(found) if user_owned else found).get("__doc__") if hasattr(found, "__dict__") else None
    return inspect.cleandoc(doc).partition("\n")[0] if isinstance(doc, str) else ""


def is_path(where: str) -> bool:
    """Returns whether the part before the colon is a path instead of a module name."""
    return where.endswith(".py") or "/" in where or "\\" in where


def _choose_attribute(module: ModuleType, where: str) -> str:
    """Returns the name of the only module instance in a file; without one, of its only class that no other class uses.

    Raises:
        UsageError: there are several, or none.
    """
    from torch import nn

    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    instances = [name for name, value in own.items() if isinstance(value, nn.Module)]
    classes = [
        name
        for name, value in own.items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    ]
    functions = [
        name for name, value in own.items() if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    used = {name for item in classes for name in _list_used_names(own[item]) if name != item}
    for names in (instances, [name for name in classes if name not in used]):
        if len(names) == 1:
            return names[0]
    known = [*classes, *instances, *functions]
    if not known:
        raise UsageError(f"{where} defines no class or function that makes an nn.Module")
    written = ", ".join(f"{where}:{name}" for name in known)
    raise UsageError(f"{where} defines {len(known)} classes and functions; choose one: {written}")


def _list_used_names(class_: type) -> set[str]:
    """Returns the global names that the functions of a class use."""
    codes = [value.__code__ for value in vars(class_).values() if inspect.isfunction(value)]
    names: set[str] = set()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += (constant for constant in code.co_consts if inspect.iscode(constant))
    return names


def _import_stdin() -> ModuleType:
    """Returns the module of the Python code on stdin.

    Raises:
        UsageError: stdin is a terminal, or empty.
        BuildError: the code raised.
    """
    code = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    if not code.strip():
        raise UsageError("- reads Python code from stdin, which is empty; e.g. netscope summary - < my.py")
    module = ModuleType(f"{_FOLDER_MODULE}stdin")
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, "<stdin>", "exec"), module.__dict__)  # noqa: S102 - the code that the user names
    except SyntaxError as error:
        raise BuildError(f"stdin, line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise BuildError(f"running the code from stdin raised {describe_error(error)}") from error
    return module


def _prepend_working_directory() -> None:
    """Moves the working directory and its ``src`` to the front of ``sys.path``, before any installed version.

    Only for Python objects, because local files must not shadow what a registered architecture imports.
    """
    here = [str(Path.cwd()), *(str(source) for source in [Path.cwd() / "src"] if source.is_dir())]
    sys.path[:] = [*here, *(entry for entry in sys.path if entry not in here)]


def _import_module(name: str, text: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{text}: {name!r} is not a Python module name; expected package.module:factory")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.split(".")[: len(error.name.split("."))] == error.name.split("."):
            raise UnknownNameError(f"{text}: Python module {error.name!r} not found") from error
        raise BuildError(f"{text}: importing {name} raised {describe_error(error)}") from error
    except (Exception, SystemExit) as error:
        raise BuildError(f"{text}: importing {name} raised {describe_error(error)}") from error


def _prioritize_root(root: Path) -> None:
    """Moves ``root`` to the front of ``sys.path`` and unloads same-named modules of folders imported from before.

    Two projects may both have a ``models.py`` or a ``helper.py``, and each must import its own.
    """
    if str(root) in sys.path:
        sys.path.remove(str(root))
    sys.path.insert(0, str(root))
    modules = list(sys.modules.items())  # which other threads may extend
    folders = [module for name, module in modules if name.startswith(_FOLDER_MODULE) and "." not in name]
    others = tuple(path + os.sep for folder in folders for path in folder.__path__ if path != str(root))
    for name, module in modules if others else ():
        file = getattr(module, "__file__", None) or ""
        if file.startswith(others) and not file.startswith(str(root) + os.sep):
            top = name.partition(".")[0]
            if (root / f"{top}.py").is_file() or (root / top).is_dir():
                sys.modules.pop(name, None)
    invalidate_caches()


def find_package_root(path: Path) -> Path:
    """Returns the folder from which a file, or the package that contains it, can be imported."""
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _import_file(path: Path, text: str) -> ModuleType:
    """Returns the file's module; a file next to an ``__init__.py`` is imported under its name in the package.

    The file can import the files next to it or next to its package, also relatively, as if Python was started there.
    """
    if not path.is_file() or path.suffix != ".py":
        raise UnknownNameError(f"{text}: Python file {str(path)!r} not found")
    path = path.resolve()
    root = find_package_root(path)
    parts = path.relative_to(root).with_suffix("").parts
    _prioritize_root(root)
    # A digest, because a module's name is also the name of files, and a path may be longer than such a name can be.
    folder = f"{_FOLDER_MODULE}{sha256(os.fsencode(root)).hexdigest()[:32]}"
    sys.modules.setdefault(folder, ModuleType(folder)).__path__ = [str(root)]
    try:
        if len(parts) > 1:
            return import_module(".".join(parts))
        # A unique name, because a file may be named like an installed package, and may have changed since its import.
        name = f"{folder}.{path.stem}"
        spec = spec_from_file_location(name, path)
        module = module_from_spec(spec)  # type: ignore[arg-type]  # a .py file always has a spec and a loader
        sys.modules[name] = module
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise BuildError(f"{text}: {path.name}{line}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise BuildError(f"{text}: importing {path.name} raised {describe_error(error)}") from error
    return module
