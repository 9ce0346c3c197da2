"""The architectures of ``netscope.zoo``."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from netscope.schema import Architecture, ListedArchitecture
from netscope.schema.inputs import ForwardInputs, TensorRequest
from netscope.sources.base import Origin, PublishedFigures, ResolvedArchitecture, unknown_name_error
from netscope.sources.construction import check_options
from netscope.zoo.catalog import ALIASES, BUILT_INS


class BuiltInSource:
    """What netscope brings along."""

    name = "built-in"
    is_cacheable = True

    def names(self) -> Iterable[str]:
        """Every built-in and its aliases."""
        return (*BUILT_INS, *ALIASES)

    def listing(self) -> Iterable[ListedArchitecture]:
        """The built-ins with their published parameter counts and their ideas."""
        for name, entry in BUILT_INS.items():
            yield ListedArchitecture(
                source=self.name, name=name, params=entry.params, description=f"{entry.year}, {entry.idea}"
            )

    def resolve(self, text: str, name: str, options: dict[str, Any]) -> ResolvedArchitecture:
        """The built-in called ``name``."""
        name = ALIASES.get(name, name)
        if name not in BUILT_INS:
            raise unknown_name_error(self, name)
        entry = BUILT_INS[name]

        def factory() -> Any:
            module, _, function = entry.factory.partition(":")
            make = getattr(import_module(f"netscope.zoo.{module}"), function)
            check_options(make, options, text)
            return make(**options)

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
    """Where the built-in called ``name`` comes from; None if there is none of that name."""
    entry = BUILT_INS.get(name)
    return None if entry is None else Origin(year=entry.year, paper=entry.paper.partition(",")[0], idea=entry.idea)
