"""The interface of a source, which resolves names to architectures, and the types that it returns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from netscope.errors import BrokenInstallError, MissingExtraError, UnknownNameError, describe_error, did_you_mean
from netscope.runtime.startup import defer_garbage_collection, stub_imports
from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs

if TYPE_CHECKING:
    from torch import nn

    from netscope.schema.program import SavedProgram


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigures:
    """The figures that a source publishes about an architecture.

    Attributes:
        label: the name of the weights or paper that they belong to, ``"IMAGENET1K_V1"``.
        params: number of elements of all parameters.
        macs: MACs of a forward pass, rounded to ``macs_rounded_to``; None if unpublished.
        macs_rounded_to: rounding unit, 1,000,000 for figures in thousandths of a G.
        note: why the MACs cannot be reproduced from the architecture alone; empty if they can.
        top1: accuracy on ImageNet-1K in percent; None if unpublished, or if these are not the default weights.
    """

    label: str
    params: int
    macs: int | None
    macs_rounded_to: int
    note: str
    top1: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The publication that introduced an architecture.

    Attributes:
        year: year of the first publication.
        paper: authors and year, ``"He et al. 2015"``.
        idea: the new idea, in a few words.
    """

    year: int
    paper: str
    idea: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedArchitecture:
    """An architecture that can be built.

    Attributes:
        architecture: the requested name, and the source and name that it resolved to.
        factory: function that builds the module on the default device.
        default_inputs: function that returns the inputs to use if the user gives none; None if unknown.
        sequence_inputs: function that returns inputs of a given sequence length in tokens; None if unsupported.
        user_owned: whether ``factory`` returns a module that belongs to the caller.
        runs: whether the module has a forward pass; a weights file does not define one.
        published: published figures to compare with.
        origin: publication of the architecture; None if unknown.
        versions: version of the source's package, by its name.
        program: saved program to use instead of a module; None for a module.
    """

    architecture: Architecture
    factory: Callable[[], "nn.Module"]
    default_inputs: Callable[["nn.Module"], ForwardInputs | None]
    sequence_inputs: Callable[["nn.Module", int], ForwardInputs] | None = None
    user_owned: bool = False
    runs: bool = True
    published: tuple[PublishedFigures, ...] = ()
    origin: Origin | None = None
    versions: dict[str, str] = field(default_factory=dict)
    program: "SavedProgram | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The architectures of a source.

    Attributes:
        entries: listed architectures.
        names: every name that can be resolved, including aliases.
    """

    entries: tuple[ListedArchitecture, ...]
    names: tuple[str, ...]


class ModelSource(Protocol):
    """A provider of architectures. Third parties register theirs as entry points in the group ``netscope.sources``.

    A source may set ``is_cacheable = True`` if names, options and installed packages alone define its architectures: it
    reads no other file, no environment variable and no network. netscope's commands then cache results for them.
    """

    name: str
    """The part before the slash in ``SOURCE/NAME``."""

    def names(self) -> Iterable[str]:
        """Returns every name to list; ``resolve`` may accept more."""

    def listing(self) -> Iterable[ListedArchitecture]:
        """Returns the names with their parameter count and description, where known."""

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """Returns the architecture ``name``; ``text`` is the user's full spelling of it, for messages.

        Raises:
            UnknownNameError: the source does not have that name; ``unknown_name_error`` creates the error.
        """


def get_version(package: str) -> str:
    """Returns the version of an installed package."""
    from importlib.metadata import version  # slow to import

    return version(package)


def import_package(package: str, source: str) -> Any:
    """Returns the imported package of a source that is an optional extra.

    Raises:
        MissingExtraError: the package is not installed.
        BrokenInstallError: the package is incompatible with other installed packages.
    """
    try:
        with stub_imports(), defer_garbage_collection():
            return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"source {source!r} needs {package} ({error}); run pip install {package}") from error
    except Exception as error:
        reason = describe_error(error).partition("\n")[0]
        raise BrokenInstallError(
            f"{package} {get_version(package)} is incompatible with other installed packages ({reason}); run "
            f"pip install --upgrade {package}"
        ) from error


def unknown_name_error(source: ModelSource, name: str) -> UnknownNameError:
    """Returns the error to raise if ``source`` does not have ``name``."""
    return UnknownNameError(
        f"unknown architecture {name!r} in source {source.name!r}{did_you_mean(name, source.names())}"
    )
