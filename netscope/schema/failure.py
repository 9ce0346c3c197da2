"""What is known of a pass that raised."""

from dataclasses import dataclass
from typing import Literal

from netscope.schema.tensors import InputSpec, PlainValue, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFailure:
    """The innermost module whose ``forward`` was running, or was being differentiated, when it raised.

    Attributes:
        phase: ``"forward"`` or ``"backward"``.
        path: of the module, ``""`` for the root.
        type_name: its class's name.
        is_torch_layer: whether its ``forward`` is one of ``torch.nn``, so that its arithmetic is known.
        hyperparameters: its own.
        weight_dtype: of its first own parameter, None if it has none.
        layer_inputs: what it was called with.
        inputs: what the root was called with.
        message: what was raised, its kind first.
        device: where it ran.
    """

    phase: Literal["forward", "backward"]
    path: str
    type_name: str
    is_torch_layer: bool
    hyperparameters: dict[str, PlainValue]
    weight_dtype: str | None
    layer_inputs: tuple[TensorSpec, ...]
    inputs: tuple[InputSpec, ...]
    message: str
    device: str
