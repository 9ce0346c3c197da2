"""The derivation of a layer's MACs."""

from math import prod

from netscope.analysis.explain.formatting import join_factors
from netscope.analysis.explain.parameters import has_bias, integers, kernel_of, sum_gates
from netscope.schema import Derivation, LayerRow, drop_batch_dimension

Found = tuple[str, str, int] | None


def derive_macs(row: LayerRow) -> Derivation | None:
    """Returns the derivation of a row's own MACs; None if it has none, or an op has no formula."""
    if not row.own.flops or any(op.flops is None for op in row.ops):
        return None
    for rule in (_convolution, _linear, _attention, _recurrent):
        found = rule(row)
        if found is None:
            continue
        symbols, numbers, value = found
        if value * row.calls == row.own.macs:
            calls = f", {row.calls} times" if row.calls > 1 else ""
            note = ("bias additions are not counted",) if has_bias(row) else ()
            return Derivation(
                quantity="MACs",
                rule=symbols,
                arithmetic=f"{numbers} = {value:,}{calls}",
                value=row.own.macs,
                short=f"{numbers} = {value:,}",
                notes=(f"FLOPs = 2 × MACs = {row.own.flops:,}", *note),
            )
    return _list_ops(row)


def _convolution(row: LayerRow) -> Found:
    channels, groups = integers(row, "in_channels", "out_channels"), row.hyperparameters.get("groups", 1)
    if channels is None or not isinstance(groups, int) or "kernel_size" not in row.hyperparameters:
        return None
    before, after = channels
    is_transposed = "output_padding" in row.hyperparameters
    positions = (row.input_shapes if is_transposed else row.output_shapes)[0]
    each = (*kernel_of(row), (after if is_transposed else before) // groups)
    symbols = "each input × K·K·C_out" if is_transposed else "each output × K·K·C_in"
    rule = symbols + ("/groups" if groups > 1 else "")
    return rule, f"{join_factors(drop_batch_dimension(positions))} × {join_factors(each)}", prod(positions) * prod(each)


def _linear(row: LayerRow) -> Found:
    features = integers(row, "in_features", "out_features")
    if features is None:
        return None
    before, after = features
    positions = row.output_shapes[0][:-1]
    numbers = join_factors((before, after))
    if prod(positions) > 1:
        numbers = f"{join_factors(drop_batch_dimension(positions))} × {numbers}"
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
    found = sum_gates(row, 0)
    if found is None or not row.input_shapes:
        return None
    _, terms, total = found
    steps = prod(row.input_shapes[0][:-1])
    joined = terms[0] if len(terms) == 1 else f"({' + '.join(terms)})"
    return "each step × gates·hidden·(in + hidden)", f"{steps} × {joined}", steps * total


def _list_ops(row: LayerRow) -> Derivation:
    """Returns the MACs of each op and their sum."""
    parts = [f"{op.op} {op.calls}×: {(op.flops or 0) // 2:,}" for op in row.ops if op.flops]
    text = f"{' + '.join(parts)}" + (f" = {row.own.macs:,}" if len(parts) > 1 else "")
    return Derivation(
        quantity="MACs", rule="", arithmetic=text, value=row.own.macs, notes=(f"FLOPs = 2 × MACs = {row.own.flops:,}",)
    )
