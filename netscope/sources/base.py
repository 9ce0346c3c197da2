"""What a source is: it knows names, and gives for each how to build the module and what to run it on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from netscope.errors import BrokenInstallError, MissingExtraError, UnknownNameError, described, did_you_mean
from netscope.runtime.startup import stub_imports
from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs

if TYPE_CHECKING:
    from torch import nn

    from netscope.schema.program import SavedProgram


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Figures that a source publishes about an architecture.

    Attributes:
        label: whose they are, ``"IMAGENET1K_V1"``.
        params: elements.
        macs: rounded to ``macs_rounded_to``; None if unpublished.
        macs_rounded_to: 1,000,000 for figures in thousandths of a G.
        note: why the multiply–adds cannot be had from the architecture alone; empty if they can.
        top1: accuracy on ImageNet-1K in per cent; None if unpublished, or if these are not the default weights.
    """

    label: str
    params: int
    macs: int | None
    macs_rounded_to: int
    note: str
    top1: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an architecture comes from.

    Attributes:
        year: of the first publication.
        paper: its authors and year, ``"He et al. 2015"``.
        idea: what was new in it, in a few words.
    """

    year: int
    paper: str
    idea: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedArchitecture:
    """An architecture that can be built.

    Attributes:
        architecture: what was asked for, and what it was resolved to.
        factory: builds the module on whatever device is the default.
        default_inputs: what to run the module on when the user does not say; None if the source has no idea.
        sequence_inputs: the same with token sequences of a given length; None if the source has none.
        user_owned: whether ``factory`` returns a module that belongs to someone else.
        runs: whether its ``forward`` does what the architecture does; weights alone have none.
        published: figures to hold ours against.
        origin: where the architecture comes from; None if unknown.
        versions: of the package that the architecture comes from.
        program: a saved program, which is there in the place of a module.
    """

    architecture: Architecture
    factory: Callable[[], "nn.Module"]
    default_inputs: Callable[["nn.Module"], ForwardInputs | None]
    sequence_inputs: Callable[["nn.Module", int], ForwardInputs] | None = None
    user_owned: bool = False
    runs: bool = True
    published: tuple[Published, ...] = ()
    origin: Origin | None = None
    versions: dict[str, str] = field(default_factory=dict)
    program: "SavedProgram | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What there is in a source.

    Attributes:
        entries: what is listed.
        names: all that can be asked for, which may be more.
    """

    entries: tuple[ListedArchitecture, ...]
    names: tuple[str, ...]


class ModelSource(Protocol):
    """A place where architectures come from. Third parties add theirs as entry points of ``netscope.sources``.

    One may have ``is_cacheable = True`` if its names and options, and what is installed, define its architectures. Then
    netscope's commands keep the answers about these. It reads no file and no variable of its own, nor the network.
    """

    name: str
    """What stands before the slash in ``SOURCE/NAME``."""

    def names(self) -> Iterable[str]:
        """Every name to list; ``resolve`` may take others as well."""

    def listing(self) -> Iterable[ListedArchitecture]:
        """The same with what is known about each."""

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """The architecture called ``name``; ``text`` is what the user typed.

        Raises:
            UnknownNameError: the source has none of that name; ``unknown_name`` makes it.
        """


def version_of(package: str) -> str:
    """The version of a package that is installed."""
    from importlib.metadata import version  # which takes longer to import than many an answer

    return version(package)


def imported(package: str, source: str) -> Any:
    """The package of a source that is an extra.

    Raises:
        MissingExtraError: it is not installed.
        BrokenInstallError: it does not fit what else is installed.
    """
    try:
        with stub_imports():
            return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the source {source} needs {package} ({error}): pip install 'netscope[{package}]' adds it"
        ) from error
    except Exception as error:
        reason = described(error).partition("\n")[0]
        raise BrokenInstallError(
            f"{package} {version_of(package)} does not fit what else is installed ({reason}): pip install --upgrade "
            f"'netscope[{package}]' mends it"
        ) from error


def unknown_name(source: ModelSource, name: str) -> UnknownNameError:
    """What to raise where ``source`` does not have ``name``."""
    return UnknownNameError(f"{source.name} has no {name!r}{did_you_mean(name, source.names())}")
