"""Maps each command to its files: the modules that have its name, and those that only it imports."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import netscope
from netscope.cli.app import COMMANDS

PACKAGE = Path(netscope.__file__).parent
FLOORS = ("cli", "api", "analysis", "render", "schema")
"""The floors on which a command has files of its name, from the top down."""


def modules() -> dict[str, Path]:
    """Returns the file of each module and package, by its dotted name within ``netscope``, such as ``cli.diff``."""
    files = (path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")))
    return {".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip("."): path for path in files}


def named_command(module: str) -> str | None:
    """Returns the command whose name a module bears: ``diff`` for ``api.diff`` and ``render.diff_tree``."""
    floor, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    if floor not in FLOORS:
        return None
    return next((command for command in COMMANDS if name == command or name.startswith(f"{command}_")), None)


def owners() -> dict[str, str]:
    """Returns the one command that each module belongs to, for the modules that belong to one.

    A module belongs to a command if it bears the command's name, or if all modules that import it belong to that
    command. A package belongs to a command if all its modules do.
    """
    files = modules()
    importers = _importers(files)
    for package in (module for module, path in files.items() if path.name == "__init__.py" and module):
        importers.setdefault(package, {module for module in files if module.startswith(f"{package}.")})
    found = {module: command for module in files if (command := named_command(module))}
    while True:
        new = {
            module: commands.pop()
            for module, by in importers.items()
            if module not in found and len(commands := {found.get(importer) for importer in by}) == 1
            if commands != {None}
        }
        if not new:
            return found
        found |= new


def _importers(files: Mapping[str, Path]) -> defaultdict[str, set[str]]:
    """Returns the modules that use each module; a package that passes a name on does not use it."""
    used = {
        module: dict(_imports(ast.parse((PACKAGE / path).read_text(encoding="utf-8")), files))
        for module, path in files.items()
    }
    packages = {module for module, path in files.items() if path.name == "__init__.py"}
    importers: defaultdict[str, set[str]] = defaultdict(set)
    for module in used.keys() - packages:
        for name, source in used[module].items():
            target = source
            while target in packages and (origin := used[target].get(name.rpartition(".")[2], target)) != target:
                target = origin
            importers[target].add(module)
    return importers


def _imports(tree: ast.AST, files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yields each name that a module takes from the package, with the module that it takes it from."""
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "netscope":
            source = (node.module or "").partition(".")[2]
            for alias in node.names:
                submodule = f"{source}.{alias.name}".lstrip(".")
                imported[alias.asname or alias.name] = submodule if submodule in files else source
                yield alias.name, imported[alias.asname or alias.name]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
            yield f"{node.value.id}.{node.attr}", imported[node.value.id]
