"""The source of the built-in architectures, ``netscope.zoo``."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.sources.base import Origin, PublishedFigures, ResolvedArchitecture
from netscope.sources.construction import check_options
from netscope.zoo.catalog import ALIASES, BUILT_INS


class BuiltInSource:
    """The source of the architectures that netscope defines itself."""

    name = "built-in"
    is_cacheable = True

    def names(self) -> Iterable[str]:
        """Returns the names of the built-in architectures and their aliases."""
        return (*BUILT_INS, *ALIASES)

    def listing(self) -> Iterable[ListedArchitecture]:
        """Yields the built-in architectures with their published parameter counts, years and ideas."""
        for name, entry in BUILT_INS.items():
            yield ListedArchitecture(
                source=self.name, name=name, params=entry.params, description=f"{entry.year}, {entry.idea}"
            )

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """Returns the built-in architecture ``name``."""
        name = ALIASES.get(name, name)
        entry = BUILT_INS[name]

        def factory() -> Any:
            module, _, function = entry.factory.partition(":")
            constructor = getattr(import_module(f"netscope.zoo.{module}"), function)
            check_options(constructor, options, text)
            return constructor(**options)

        inputs = ForwardInputs(args=(TensorRequest(shape=entry.input_shape),), kwargs={})
        published = PublishedFigures(
            label=entry.paper.partition(",")[0], params=entry.params, macs=None, macs_rounded_to=1, note=""
        )
        return ResolvedArchitecture(
            architecture=Architecture(
                spec=text,
                source=self.name,
                name=name,
                options=options,
                description=f"{entry.paper.partition(',')[0]}: {entry.idea}",
            ),
            factory=factory,
            default_inputs=lambda _module: inputs,
            published=() if options else (published,),
            origin=find_built_in_origin(name),
        )


def find_built_in_origin(name: str) -> Origin | None:
    """Returns the origin of the built-in architecture ``name``; None if unknown."""
    entry = BUILT_INS.get(name)
    return None if entry is None else Origin(year=entry.year, paper=entry.paper.partition(",")[0], idea=entry.idea)
