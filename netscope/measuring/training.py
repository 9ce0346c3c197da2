"""A step of training: what its loss is, and which optimizer takes it."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from netscope.errors import UntrainableError

OPTIMIZERS: Mapping[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda params: torch.optim.SGD(params, lr=_RATE),
    "momentum": lambda params: torch.optim.SGD(params, lr=_RATE, momentum=0.9),
    "adagrad": lambda params: torch.optim.Adagrad(params, lr=_RATE),
    "rmsprop": lambda params: torch.optim.RMSprop(params, lr=_RATE),
    "adam": lambda params: torch.optim.Adam(params, lr=_RATE),
    "adamax": lambda params: torch.optim.Adamax(params, lr=_RATE),
    "adamw": lambda params: torch.optim.AdamW(params, lr=_RATE),
    "nadam": lambda params: torch.optim.NAdam(params, lr=_RATE),
    "radam": lambda params: torch.optim.RAdam(params, lr=_RATE),
}
"""Those of ``schema.memory.STATES_PER_PARAMETER``."""

_RATE = 1e-6
"""So small that random targets do not drive the weights to infinity, where arithmetic may take another time."""

CLASSES = 2
"""Dimensions of what is taken for the scores of classes: (N, C)."""


def optimizer_of(name: str, model: nn.Module, *, capturable: bool) -> torch.optim.Optimizer:
    """Torch's optimizer of that name over the parameters that require a gradient.

    Args:
        name: a key of ``OPTIMIZERS``.
        model: whose parameters.
        capturable: whether its step has to be fit for a CUDA graph.

    Raises:
        UntrainableError: no parameter requires a gradient.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise UntrainableError(f"{type(model).__name__} cannot be trained: none of its parameters requires a gradient")
    optimizer = OPTIMIZERS[name](parameters)
    for group in optimizer.param_groups:
        if capturable and "capturable" in group:
            group["capturable"] = True
    return optimizer


class Loss:
    """The loss that a model returns, or else what its outputs are away from random targets made beforehand.

    Scores of classes (N, C) are held against random classes by cross-entropy, everything else against standard normal
    values by the mean squared error; several outputs' losses are summed. Targets are made when a batch is first met.
    """

    def __init__(self, differentiable: Callable[[Any], list[Tensor]], seed: int) -> None:
        """Makes nothing yet.

        Args:
            differentiable: finds what a step differentiates in whatever a model returns.
            seed: of the targets.
        """
        self._differentiable = differentiable
        self._seed = seed
        self._targets: dict[int, list[Tensor]] = {}
        self.description = ""

    def of(self, result: Any, batch: int) -> Tensor:
        """The loss of what the model made of the batch of that number.

        Raises:
            UntrainableError: nothing in it has a gradient.
        """
        outputs = self._differentiable(result)
        if isinstance(result, Mapping) and outputs[0] is result.get("loss"):
            self.description = "the model's own loss"
            return outputs[0].sum()
        known = self._targets.get(batch)
        if known is None or [target.shape for target in known] != [_target_shape(output) for output in outputs]:
            self._targets[batch] = self._made(outputs, batch)
        pairs = zip(outputs, self._targets[batch], strict=True)
        losses = [_distance(output, target) for output, target in pairs]
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _made(self, outputs: list[Tensor], batch: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(self._seed + batch)
        kinds = dict.fromkeys("cross-entropy" if _are_scores(output) else "mean squared error" for output in outputs)
        self.description = " and ".join(kinds)
        targets = []
        for output in outputs:
            shape = (*output.shape, 2) if output.is_complex() else output.shape
            values = torch.randn(shape, generator=generator)
            if output.is_complex():
                values = torch.view_as_complex(values)
            target = values.argmax(1) if _are_scores(output) else values
            targets.append(target.to(output.device, None if _are_scores(output) else output.dtype))
        return targets


def _are_scores(output: Tensor) -> bool:
    return output.dim() == CLASSES and output.shape[1] > 1 and not output.is_complex()


def _target_shape(output: Tensor) -> torch.Size:
    return output.shape[:1] if _are_scores(output) else output.shape


def _distance(output: Tensor, target: Tensor) -> Tensor:
    if _are_scores(output):
        return functional.cross_entropy(output, target)
    if output.is_complex():
        return (output - target).abs().square().mean()
    return functional.mse_loss(output, target)
