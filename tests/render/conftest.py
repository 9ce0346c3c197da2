"""Hand-made summaries, so that rendering is tested without torch and without any model."""

import pytest

from netscope.schema import (
    Architecture,
    InputSpec,
    LayerRow,
    ListedArchitecture,
    Listing,
    MemoryUse,
    OpCount,
    PeakMemory,
    Summary,
    Totals,
)


def layer(path, type_name, depth, **figures):
    """A row with nothing in it but what is given."""
    nothing = {
        "hyperparameters": {},
        "calls": 1,
        "input_shapes": ((1, 4),),
        "output_shapes": ((1, 4),),
        "params": 0,
        "own_params": 0,
        "trainable_params": 0,
        "own_trainable_params": 0,
        "flops": 0,
        "own_flops": 0,
        "backward_flops": 0,
        "own_backward_flops": 0,
        "memory": MemoryUse(),
        "own_memory": MemoryUse(),
        "is_lower_bound": False,
        "ops": (),
        "backward_ops": (),
        "notes": (),
    }
    return LayerRow(path=path, type_name=type_name, depth=depth, **(nothing | figures))


def linear(path, depth, **figures):
    usual = {
        "hyperparameters": {"in_features": 4, "out_features": 4, "bias": True},
        "ops": (OpCount(op="aten.addmm", calls=1, flops=32), OpCount(op="aten.t", calls=1, flops=0)),
        **dict.fromkeys(("params", "own_params", "trainable_params", "own_trainable_params"), 20),
        **dict.fromkeys(("flops", "own_flops"), 32),
    }
    return layer(path, "Linear", depth, **(usual | figures))


def summary_of(rows, *, name="toy", uncounted=(), notes=(), unread=(), **totals):
    params = sum(row.own_params for row in rows)
    flops = sum(row.own_flops for row in rows)
    figures = {
        "params": params,
        "trainable_params": sum(row.own_trainable_params for row in rows),
        "active_params": None,
        "buffers": 0,
        "param_bytes": 4 * params,
        "param_dtypes": ("float32",),
        "buffer_bytes": 0,
        "flops": flops,
        "macs": flops // 2,
        "backward_flops": 0,
        "memory": MemoryUse(weights=4 * params),
        "unread_params": sum(row.own_unread_params for row in rows),
    }
    return Summary(
        architecture=Architecture(spec=name, source="python", name=name, options={}, description="A toy."),
        inputs=(InputSpec(name="x", shape=(1, 4), dtype="float32"),),
        rows=tuple(rows),
        totals=Totals(**(figures | totals)),
        uncounted_ops=tuple(uncounted),
        uncalled_modules=tuple(row.path for row in rows if not row.calls),
        traced_on="meta",
        mode="eval",
        peak_memory=PeakMemory(bytes=4 * params + 48, activations=32, path=rows[-1].path),
        optimizer=None,
        notes=tuple(notes),
        unread_parameters=tuple(unread),
        versions={"torch": "2.6.0"},
    )


@pytest.fixture
def toy():
    """A tree with a run of four blocks, a module that ran twice, one that never ran, a lower bound, and odd names."""
    rows = [layer("", "Toy", 0, params=140, trainable_params=120, unread_params=20, flops=192, is_lower_bound=True)]
    for number in range(4):
        rows += [
            layer(f"block_{number}", "Block", 1, params=20, trainable_params=20, flops=32),
            linear(f"block_{number}.fc", 2),
        ]
    rows += [
        layer(
            "act", "ReLU", 1, hyperparameters={"inplace": True}, calls=2, notes=("its calls differ in output shape",)
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
            notes=("never ran",),
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
