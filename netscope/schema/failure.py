"""The failure of a forward or backward pass."""

from dataclasses import dataclass
from typing import Literal

from netscope.schema.tensors import InputSpec, PlainValue, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFailure:
    """The innermost module whose ``forward`` was running, or was being differentiated, when it raised.

    Attributes:
        phase: ``"forward"`` or ``"backward"``.
        path: path of the module, ``""`` for the root.
        type_name: name of its class.
        is_torch_layer: whether its ``forward`` is defined in ``torch.nn``, so its arithmetic is known.
        hyperparameters: hyperparameters of the module.
        weight_dtype: dtype of its first own parameter, None if it has none.
        layer_inputs: inputs of the module.
        inputs: inputs of the root.
        message: the exception's type and message.
        device: device that it ran on.
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
