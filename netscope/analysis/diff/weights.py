"""The map from the tensors of one architecture to the tensors of another that they load into."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from math import prod

from netscope.analysis.diff.alignment import align_trees
from netscope.analysis.diff.fused import match_fused
from netscope.analysis.diff.layers import LayerTree
from netscope.analysis.diff.roles import UNORDERED
from netscope.analysis.diff.tensors import StateTensor, is_plain, list_state, make_copy
from netscope.errors import UsageError
from netscope.schema import Summary, TensorRecipe, UnmappedTensor, WeightsMap

Tensors = list[StateTensor]

PLAIN = ("weight", "bias")
"""Names that tensors of most layers have, and that therefore tell nothing."""


def map_weights(before: Summary, after: Summary) -> WeightsMap:
    """Returns the map from the state dict of ``before`` to the state dict of ``after``.

    The parts of attention are matched by their names. Other tensors of paired layers are matched by name and shape; if
    their names differ, by shape and order. The remaining ones are matched if there is only one choice.

    Raises:
        UsageError: a saved summary has no tensors.
    """
    for summary in (before, after):
        if summary.totals.params and not any(row.tensors for row in summary.rows):
            raise UsageError(f"the saved summary of {summary.architecture.spec} has no tensors; save it again")
    matching = _Matching(LayerTree.of(before), LayerTree.of(after))
    recipes = [matching.recipes[tensor.key] for tensor in matching.after if tensor.key in matching.recipes]
    return WeightsMap(
        before=before.architecture,
        after=after.architecture,
        tensors={recipe.parts[0].name: recipe.name for recipe in recipes if is_plain(recipe)},
        recipes=tuple(recipe for recipe in recipes if not is_plain(recipe)),
        params=after.totals.params,
        covered_params=sum(
            prod(tensor.shape)
            for tensor in matching.after
            if tensor.key in matching.recipes and not tensor.tensor.is_buffer and tensor.tensor.shared_with is None
        ),
        missing=tuple(_list_unmapped(matching.after, set(matching.recipes), set(matching.partners.values()))),
        unused=tuple(_list_unmapped(matching.before, matching.used, set(matching.partners))),
    )


class _Matching:
    """The recipes of the tensors of one architecture from those of another.

    Attributes:
        recipes: recipe by key in the state dict of ``after``.
        used: keys in the state dict of ``before`` that the recipes use.
    """

    def __init__(self, before: LayerTree, after: LayerTree) -> None:
        self.trees = before, after
        self.before, self.after = list_state(before), list_state(after)
        self.partners: Mapping[int, int] = align_trees(before, after).partners
        self.recipes: dict[str, TensorRecipe] = {}
        self.used: set[str] = set()
        for recipe in match_fused(self.before, self.after, self.trees, self.partners):
            self._add(recipe)
        self._match_paired_layers()
        self._match_remaining_names()
        self._match_remaining_layers()

    def _add(self, recipe: TensorRecipe) -> None:
        self.recipes[recipe.name] = recipe
        self.used.update(part.name for part in recipe.parts)

    def _match_paired_layers(self) -> None:
        """Adds the tensors of paired layers: those of equal names, then the others in order of shape."""
        before, after = _group(self.before), _group(self.after)
        for i, j in self.partners.items():
            sources, targets = before[i], after[j]
            if not _have_one_role(sources, targets):
                continue
            self._match_by_name(sources, targets)
            for source in sources:
                self._match_first(source, [target for target in targets if target.shape == source.shape])
            self._match_only_choices([[source] for source in sources], [[target] for target in targets])

    def _match_remaining_names(self) -> None:
        """Adds tensors with the same name, other than weight and bias, in the innermost paired modules around them."""
        for sources, targets in self._list_remaining():
            self._match_by_name(*([item for item in side if item.name not in PLAIN] for side in (sources, targets)))

    def _match_remaining_layers(self) -> None:
        """Adds convolutions and linear layers that fit only one in the innermost paired modules around them."""
        for sources, targets in self._list_remaining():
            layers, others = (list(filter(_multiplies, _group(side).values())) for side in (sources, targets))
            self._match_only_choices(layers, others)

    def _match_by_name(self, sources: Tensors, targets: Tensors) -> None:
        names = Counter(source.common_name for source in sources)
        others = Counter(target.common_name for target in targets)
        for source in sources:
            if names[source.common_name] == others[source.common_name] == 1:
                self._match_first(source, [target for target in targets if target.common_name == source.common_name])

    def _match_first(self, source: StateTensor, targets: Tensors) -> None:
        for target in targets:
            recipe = make_copy(source, target, *self.trees) if self._are_free([source], [target]) else None
            if recipe is not None:
                self._add(recipe)

    def _match_only_choices(self, sources: list[Tensors], targets: list[Tensors]) -> None:
        """Adds the groups of tensors that fit each other and none else."""
        of_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for b, group in enumerate(targets):
            of_size[tuple(target.tensor.elements for target in group)].append(b)
        sizes = [tuple(source.tensor.elements for source in group) for group in sources]
        fitting = [(a, b) for a in range(len(sources)) for b in of_size[sizes[a]] if self._fit(sources[a], targets[b])]
        counts, others = Counter(a for a, _ in fitting), Counter(b for _, b in fitting)
        for a, b in fitting:
            if counts[a] == others[b] == 1:
                for source, target in zip(sources[a], targets[b], strict=True):
                    self._match_first(source, [target])

    def _fit(self, sources: Tensors, targets: Tensors) -> bool:
        if not self._are_free(sources, targets) or len(sources) != len(targets):
            return False
        return all(make_copy(a, b, *self.trees) is not None for a, b in zip(sources, targets, strict=True))

    def _are_free(self, sources: Tensors, targets: Tensors) -> bool:
        is_used = any(source.key in self.used for source in sources)
        return not is_used and all(target.key not in self.recipes for target in targets)

    def _list_remaining(self) -> Iterator[tuple[Tensors, Tensors]]:
        """Yields the unmatched tensors of each two paired modules, outside of paired modules inside them."""
        around: dict[int, tuple[Tensors, Tensors]] = {i: ([], []) for i in self.partners}
        origins = {j: i for i, j in self.partners.items()}
        for source in self.before:
            inner = next(p for p in (source.position, *self.trees[0].ancestors(source.position)) if p in self.partners)
            if source.key not in self.used:
                around[inner][0].append(source)
        for target in self.after:
            inner = next(p for p in (target.position, *self.trees[1].ancestors(target.position)) if p in origins)
            if target.key not in self.recipes:
                around[origins[inner]][1].append(target)
        yield from around.values()


def _group(tensors: Tensors) -> dict[int, Tensors]:
    """Returns the tensors of each layer, by its position."""
    groups: dict[int, Tensors] = defaultdict(list)
    for tensor in tensors:
        groups[tensor.position].append(tensor)
    return groups


def _multiplies(tensors: Tensors) -> bool:
    """Whether a layer is a convolution or linear, as far as its class or sizes tell."""
    return any(len(tensor.shape) > 1 for tensor in tensors) and all(item.output_dim is not None for item in tensors)


def _have_one_role(sources: Tensors, targets: Tensors) -> bool:
    """Whether the names of two layers do not tell that they compute different parts of attention."""
    roles, others = ({part for tensor in side for part in tensor.role} for side in (sources, targets))
    return not (roles and others) or not roles.isdisjoint(others)


def _list_unmapped(tensors: Tensors, mapped: set[str], paired: set[int]) -> Iterator[UnmappedTensor]:
    for tensor in tensors:
        if tensor.key in mapped:
            continue
        if tensor.row.name in UNORDERED and not tensor.role:
            reason = "its name leaves the order of the parts in it open"
        elif tensor.position in paired:
            reason = "no tensor of this shape in the layer's counterpart"
        else:
            reason = "no counterpart"
        yield UnmappedTensor(name=tensor.key, shape=tensor.tensor.shape, reason=reason)
