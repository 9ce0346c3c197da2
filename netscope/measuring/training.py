"""The loss and the optimizer of a training step."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from netscope.errors import UntrainableError

OPTIMIZERS: Mapping[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda params: torch.optim.SGD(params, lr=_LEARNING_RATE),
    "momentum": lambda params: torch.optim.SGD(params, lr=_LEARNING_RATE, momentum=0.9),
    "adagrad": lambda params: torch.optim.Adagrad(params, lr=_LEARNING_RATE),
    "rmsprop": lambda params: torch.optim.RMSprop(params, lr=_LEARNING_RATE),
    "adam": lambda params: torch.optim.Adam(params, lr=_LEARNING_RATE),
    "adamax": lambda params: torch.optim.Adamax(params, lr=_LEARNING_RATE),
    "adamw": lambda params: torch.optim.AdamW(params, lr=_LEARNING_RATE),
    "nadam": lambda params: torch.optim.NAdam(params, lr=_LEARNING_RATE),
    "radam": lambda params: torch.optim.RAdam(params, lr=_LEARNING_RATE),
}
"""The optimizers of ``schema.memory.STATES_PER_PARAMETER``."""

_LEARNING_RATE = 1e-6
"""So small that random targets do not drive weights to infinity, where arithmetic may take a different time."""

_SCORE_DIMS = 2
"""Number of dimensions of an output that counts as class scores: (N, C)."""


def create_optimizer(name: str, model: nn.Module, *, capturable: bool) -> torch.optim.Optimizer:
    """Returns torch's optimizer of this name for the parameters that require a gradient.

    Args:
        name: a key of ``OPTIMIZERS``.
        model: the model with the parameters.
        capturable: whether the optimizer's step must be capturable in a CUDA graph.

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
    """The loss that a model returns itself; otherwise the distance of its outputs from random targets.

    Class scores (N, C) are compared with random classes by cross-entropy, all other outputs with standard normal values
    by the mean squared error. The losses of several outputs are added. Targets are created on the first use of a batch.
    """

    def __init__(self, find_outputs: Callable[[Any], list[Tensor]], seed: int) -> None:
        """Stores the arguments.

        Args:
            find_outputs: returns the tensors of a model's result that a training step differentiates.
            seed: the random seed of the targets.
        """
        self._find_outputs = find_outputs
        self._seed = seed
        self._targets: dict[int, list[Tensor]] = {}
        self.description = ""

    def compute(self, result: Any, batch: int) -> Tensor:
        """Returns the loss of the model's result for the batch of this number.

        Raises:
            UntrainableError: no tensor in the result has a gradient.
        """
        outputs = self._find_outputs(result)
        if isinstance(result, Mapping) and outputs[0] is result.get("loss"):
            self.description = "the model's own loss"
            return outputs[0].sum()
        targets = self._targets.get(batch)
        if targets is None or [target.shape for target in targets] != [_target_shape(output) for output in outputs]:
            self._targets[batch] = self._create_targets(outputs, batch)
        pairs = zip(outputs, self._targets[batch], strict=True)
        losses = [_compute_loss(output, target) for output, target in pairs]
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _create_targets(self, outputs: list[Tensor], batch: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(self._seed + batch)
        kinds = dict.fromkeys(
            "cross-entropy" if _is_class_scores(output) else "mean squared error" for output in outputs
        )
        self.description = " and ".join(kinds)
        targets = []
        for output in outputs:
            shape = (*output.shape, 2) if output.is_complex() else output.shape
            values = torch.randn(shape, generator=generator)
            if output.is_complex():
                values = torch.view_as_complex(values)
            target = values.argmax(1) if _is_class_scores(output) else values
            targets.append(target.to(output.device, None if _is_class_scores(output) else output.dtype))
        return targets


def _is_class_scores(output: Tensor) -> bool:
    return output.dim() == _SCORE_DIMS and output.shape[1] > 1 and not output.is_complex()


def _target_shape(output: Tensor) -> torch.Size:
    return output.shape[:1] if _is_class_scores(output) else output.shape


def _compute_loss(output: Tensor, target: Tensor) -> Tensor:
    if _is_class_scores(output):
        return functional.cross_entropy(output, target)
    if output.is_complex():
        return (output - target).abs().square().mean()
    return functional.mse_loss(output, target)
