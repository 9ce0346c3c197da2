"""What a source is: it knows names, and gives for each how to build the module and what to run it on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Figures that a source publishes about an architecture.

    Attributes:
        label: whose they are, ``"IMAGENET1K_V1"``.
        params: elements.
        macs: rounded to ``macs_rounded_to``; None if unpublished.
        macs_rounded_to: 1,000,000 for figures in thousandths of a G.
        remark: why the multiply–adds cannot be had from the architecture alone; empty if they can.
    """

    label: str
    params: int
    macs: int | None
    macs_rounded_to: int
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedArchitecture:
    """An architecture that can be built.

    Attributes:
        architecture: what was asked for, and what it was resolved to.
        factory: builds the module on whatever device is the default.
        default_inputs: what to run the module on when the user does not say; None if the source has no idea.
        lent: whether ``factory`` returns a module that belongs to someone else.
        published: figures to hold ours against.
        versions: of the package that the architecture comes from.
    """

    architecture: Architecture
    factory: Callable[[], "nn.Module"]
    default_inputs: Callable[["nn.Module"], ForwardInputs | None]
    lent: bool = False
    published: tuple[Published, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)


class ModelSource(Protocol):
    """A place where architectures come from. Third parties add theirs as entry points of ``netscope.sources``."""

    name: str
    """What stands before the slash in ``SOURCE/NAME``."""

    def names(self) -> Iterable[str]:
        """Every name that ``resolve`` takes."""

    def listing(self) -> Iterable[ListedArchitecture]:
        """The same with what is known about each."""

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """The architecture called ``name``, which is one of ``names``; ``text`` is what the user typed."""


def closest(name: str, names: Iterable[str]) -> str:
    """A clause that names what the user may have meant: ``"; did you mean resnet50?"``, or nothing."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    matches = get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(by_lower[match] for match in matches)}?" if matches else ""
