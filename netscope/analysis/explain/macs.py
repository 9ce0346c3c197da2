"""The derivation of a layer's MACs."""

from math import prod

from netscope.analysis.explain.formatting import join_factors
from netscope.analysis.explain.parameters import GATES, has_bias, kernel_of
from netscope.schema import Derivation, LayerRow, without_batch

Found = tuple[str, str, int] | None


def derive_macs(row: LayerRow) -> Derivation | None:
    """Returns the derivation of a row's own MACs; None if it has none, or an op has no formula."""
    if not row.own_flops or any(op.flops is None for op in row.ops):
        return None
    for rule in (_convolution, _linear, _attention, _recurrent):
        found = rule(row)
        if found is None:
            continue
        symbols, numbers, value = found
        if value * row.calls == row.own_macs:
            calls = f", {row.calls} times" if row.calls > 1 else ""
            note = ("bias additions are not counted",) if has_bias(row) else ()
            return Derivation(
                quantity="MACs",
                rule=symbols,
                arithmetic=f"{numbers} = {value:,}{calls}",
                value=row.own_macs,
                short=f"{numbers} = {value:,}",
                notes=(f"FLOPs = 2 × MACs = {row.own_flops:,}", *note),
            )
    return _list_ops(row)


def _convolution(row: LayerRow) -> Found:
    values = row.hyperparameters
    channels = values.get("in_channels"), values.get("out_channels")
    groups = values.get("groups", 1)
    if not all(isinstance(value, int) for value in (*channels, groups)) or "kernel_size" not in values:
        return None
    before, after, parts = (value if isinstance(value, int) else 1 for value in (*channels, groups))
    is_transposed = "output_padding" in values
    positions = (row.input_shapes if is_transposed else row.output_shapes)[0]
    each = (*kernel_of(row), (after if is_transposed else before) // parts)
    symbols = "each input × K·K·C_out" if is_transposed else "each output × K·K·C_in"
    rule = symbols + ("/groups" if parts > 1 else "")
    return rule, f"{join_factors(without_batch(positions))} × {join_factors(each)}", prod(positions) * prod(each)


def _linear(row: LayerRow) -> Found:
    before, after = row.hyperparameters.get("in_features"), row.hyperparameters.get("out_features")
    if not (isinstance(before, int) and isinstance(after, int)):
        return None
    positions = row.output_shapes[0][:-1]
    numbers = join_factors((before, after))
    if prod(positions) > 1:
        numbers = f"{join_factors(without_batch(positions))} × {numbers}"
    return "each position × in·out" if prod(positions) > 1 else "in·out", numbers, prod(positions) * before * after


def _attention(row: LayerRow) -> Found:
    """Returns the MACs of the four projections and of both matmuls over all pairs of tokens."""
    width = row.hyperparameters.get("embed_dim")
    if not isinstance(width, int) or "num_heads" not in row.hyperparameters or not row.output_shapes:
        return None
    shape = row.output_shapes[0]
    first = row.hyperparameters.get("batch_first")
    batch, tokens = (shape[0], shape[1]) if first else (shape[1], shape[0]) if len(shape) > 2 else (1, shape[0])  # noqa: PLR2004 - (N, L, E)
    value = batch * (4 * tokens * width * width + 2 * tokens * tokens * width)
    numbers = f"4·{tokens}·{width}·{width} + 2·{tokens}·{tokens}·{width}"
    rule = "4·L·E·E for the projections, 2·L·L·E for Q·Kᵀ and the matmul with V"
    return rule, numbers if batch == 1 else f"{batch}·({numbers})", value


def _recurrent(row: LayerRow) -> Found:
    values = row.hyperparameters
    gates = next((count for name, count in GATES.items() if row.type_name.startswith(name)), None)
    features, hidden, layers = (values.get(name) for name in ("input_size", "hidden_size", "num_layers"))
    if gates is None or not (isinstance(features, int) and isinstance(hidden, int) and isinstance(layers, int)):
        return None
    if values.get("proj_size") or not row.input_shapes:
        return None
    steps = prod(row.input_shapes[0][:-1])
    directions = 2 if values.get("bidirectional") else 1
    terms, total = [], 0
    for number in range(layers):
        before = features if number == 0 else hidden * directions
        terms.append(f"{gates}·{hidden}·({before} + {hidden})" + (f"·{directions}" if directions > 1 else ""))
        total += gates * hidden * (before + hidden) * directions
    joined = terms[0] if len(terms) == 1 else f"({' + '.join(terms)})"
    return "each step × gates·hidden·(in + hidden)", f"{steps} × {joined}", steps * total


def _list_ops(row: LayerRow) -> Derivation:
    """Returns the MACs of each op and their sum."""
    parts = [f"{op.op} {op.calls}×: {(op.flops or 0) // 2:,}" for op in row.ops if op.flops]
    text = f"{' + '.join(parts)}" + (f" = {row.own_macs:,}" if len(parts) > 1 else "")
    return Derivation(
        quantity="MACs",
        rule="",
        arithmetic=text,
        value=row.own_macs,
        notes=(f"FLOPs = 2 × MACs = {row.own_flops:,}",),
    )
