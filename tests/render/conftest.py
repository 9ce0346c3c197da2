"""Hand-made summaries, to test rendering without torch and without any model."""

from dataclasses import replace

import pytest

from netscope.schema import (
    Architecture,
    Contribution,
    Figures,
    InputSpec,
    LayerRow,
    ListedArchitecture,
    Listing,
    Location,
    OpCount,
    PeakMemory,
    Rule,
    RuleResult,
    Summary,
    Totals,
)


def layer(path, type_name, depth, **figures):
    """Returns a row in which everything is zero or empty, except for the given values."""
    nothing = {
        "hyperparameters": {},
        "calls": 1,
        "input_shapes": ((1, 4),),
        "output_shapes": ((1, 4),),
        "own": Figures(unread_params=0),
        "total": Figures(unread_params=0),
        "is_lower_bound": False,
        "ops": (),
        "backward_ops": (),
        "notes": (),
    }
    others = {name: value for name, value in figures.items() if name in nothing or name in LayerRow.__slots__}
    row = LayerRow(path=path, type_name=type_name, depth=depth, **(nothing | others))
    return with_figures(row, **{name: value for name, value in figures.items() if name not in others})


def with_figures(row, **figures):
    """Returns the row with the given values: ``own_params`` without its children, ``params`` with everything below."""
    given = [name for name in ("params", "own_params") if name in figures]
    sizes = {name.replace("params", "param_bytes"): 4 * figures[name] for name in given}
    figures = sizes | figures
    own = {name.removeprefix("own_"): value for name, value in figures.items() if name.startswith("own_")}
    total = {name: value for name, value in figures.items() if not name.startswith("own_")}
    return replace(row, own=replace(row.own, **own), total=replace(row.total, **total))


def linear(path, depth, **figures):
    usual = {
        "hyperparameters": {"in_features": 4, "out_features": 4, "bias": True},
        "ops": (OpCount(op="aten.addmm", calls=1, flops=32), OpCount(op="aten.t", calls=1, flops=0)),
        **dict.fromkeys(("params", "own_params", "trainable_params", "own_trainable_params"), 20),
        **dict.fromkeys(("flops", "own_flops"), 32),
    }
    return layer(path, "Linear", depth, **(usual | figures))


def summary_of(rows, *, name="toy", uncounted=(), notes=(), unread=(), **totals):
    own = Figures.sum(row.own for row in rows)
    usual = Totals.of(own, param_dtypes=("float32",))
    return Summary(
        architecture=Architecture(spec=name, source="python", name=name, options={}, description="A toy."),
        inputs=(InputSpec(name="x", shape=(1, 4), dtype="float32"),),
        rows=tuple(rows),
        totals=replace(usual, **totals),
        uncounted_ops=tuple(uncounted),
        uncalled_modules=tuple(row.path for row in rows if not row.calls),
        traced_on="meta",
        mode="eval",
        peak_memory=PeakMemory(bytes=4 * own.params + 48, activations=32, path=rows[-1].path),
        optimizer=None,
        notes=tuple(notes),
        unread_parameters=tuple(unread),
        versions={"torch": "2.6.0"},
    )


@pytest.fixture
def toy():
    """Returns a tree with four equal blocks, a module called twice, one never called, a lower bound, and odd names."""
    rows = [layer("", "Toy", 0, params=140, trainable_params=120, unread_params=20, flops=192, is_lower_bound=True)]
    for number in range(4):
        rows += [
            layer(f"block_{number}", "Block", 1, params=20, trainable_params=20, flops=32),
            linear(f"block_{number}.fc", 2),
        ]
    rows += [
        layer(
            "act", "ReLU", 1, hyperparameters={"inplace": True}, calls=2, notes=("output shapes vary between calls",)
        ),
        linear("[bold red]na|me`[/]", 1, flops=64, own_flops=64, calls=2),
        linear(
            "frozen",
            1,
            calls=0,
            input_shapes=(),
            output_shapes=(),
            flops=0,
            own_flops=0,
            ops=(),
            own_trainable_params=0,
            trainable_params=0,
            params=20,
            unread_params=20,
            own_unread_params=20,
            notes=("never called",),
        ),
        linear(
            "层",
            1,
            flops=0,
            own_flops=0,
            is_lower_bound=True,
            ops=(OpCount(op="aten._fft_r2c", calls=3, flops=None),),
        ),
    ]
    return summary_of(
        rows,
        uncounted=(OpCount(op="aten._fft_r2c", calls=3, flops=None),),
        notes=("traced by hand",),
        unread=("frozen",),
        buffers=9,
        buffer_bytes=72,
    )


@pytest.fixture
def listing():
    return Listing(
        pattern="*",
        architectures=(
            ListedArchitecture(source="built-in", name="a", params=1_000, description="The first."),
            ListedArchitecture(source="other", name="other/b", params=None, description=""),
        ),
        notes=("a third source is not installed",),
    )


def rule(metric="params", bound="max", text="4M", line=8, pattern=None, limit=4_000_000):
    location = Location(file="pyproject.toml", line=line, key=f"tool.netscope.check.net.{metric}.{bound}")
    return Rule(metric=metric, bound=bound, limit=limit, text=text, pattern=pattern, location=location)


def result(status="passed", path="", actual=3_999_999, limit=4_000_000, message=None, **rules):
    is_bad = status != "passed"
    return RuleResult(
        rule=rule(**rules),
        path=path,
        actual=actual,
        limit=limit,
        status=status,
        message=(message or f"{actual} is not what it should be") if is_bad else "",
        largest=(Contribution(path="fc", value=12),) if is_bad else (),
        remedy="to accept it: do so" if is_bad else "",
    )
