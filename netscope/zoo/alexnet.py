"""The AlexNet variants that different texts publish under the same name.

The convolutions of all seven differ only in width, groups, padding and normalization, so they share one function.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Widths(NamedTuple):
    """The filters of the five convolutions, and the units of the two hidden fully connected layers."""

    convolutions: tuple[int, int, int, int, int]
    hidden: int


PAPER = Widths((96, 256, 384, 384, 256), 4096)
TORCHVISION = Widths((64, 192, 384, 256, 256), 4096)
HALF = Widths((48, 128, 192, 192, 128), 2048)


def _features(
    widths: Sequence[int], *, channels: int = 3, padding: int = 2, grouped: bool = False, normalized: bool = False
) -> nn.Sequential:
    """Returns five convolutions with ReLU, and max pooling after the first, second and last.

    Args:
        widths: filters of each convolution.
        channels: channels of the image.
        padding: padding of the first convolution.
        grouped: whether convolutions 2, 4 and 5 have two groups, as on the two GPUs of 2012.
        normalized: whether local response normalization follows the first two ReLUs.
    """
    first, second, third, fourth, fifth = widths
    groups = 2 if grouped else 1

    def make_normalization() -> list[nn.Module]:
        return [nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)] if normalized else []

    return nn.Sequential(
        nn.Conv2d(channels, first, kernel_size=11, stride=4, padding=padding),
        nn.ReLU(inplace=True),
        *make_normalization(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(first, second, kernel_size=5, padding=2, groups=groups),
        nn.ReLU(inplace=True),
        *make_normalization(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(second, third, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(third, fourth, kernel_size=3, padding=1, groups=groups),
        nn.ReLU(inplace=True),
        nn.Conv2d(fourth, fifth, kernel_size=3, padding=1, groups=groups),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


def _classifier(widths: Widths, num_classes: int, dropout: float) -> nn.Sequential:
    """Returns three fully connected layers for 6×6 feature maps, with dropout before the first two."""
    return nn.Sequential(
        nn.Dropout(p=dropout),
        nn.Linear(widths.convolutions[-1] * 6 * 6, widths.hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(p=dropout),
        nn.Linear(widths.hidden, widths.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(widths.hidden, num_classes),
    )


class AlexNet(nn.Module):
    """AlexNet in torchvision's layout, with any widths: features, adaptive 6×6 average pooling, classifier."""

    def __init__(self, widths: Widths = PAPER, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = _features(widths.convolutions)
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = _classifier(widths, num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, H, W) to (N, num_classes)."""
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class AlexNet2012(nn.Module):
    """One or both halves of the network of 2012, without adaptive pooling."""

    def __init__(
        self,
        widths: Widths,
        num_classes: int = 1000,
        dropout: float = 0.5,
        grouped: bool = False,
        normalized: bool = False,
    ) -> None:
        super().__init__()
        self.features = _features(widths.convolutions, grouped=grouped, normalized=normalized)
        self.classifier = _classifier(widths, num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, 224, 224) to (N, num_classes)."""
        return self.classifier(torch.flatten(self.features(x), 1))


def _hidden(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(p=dropout)]


class TextbookAlexNet(nn.Module):
    """AlexNet in the textbooks' layout: 5×5 feature maps, dropout after each hidden layer."""

    def __init__(
        self,
        *,
        channels: int,
        padding: int,
        num_classes: int,
        hidden_layers: int = 2,
        flatten_module: bool = True,
        softmax: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = _features(PAPER.convolutions, channels=channels, padding=padding)
        classifier: OrderedDict[str, nn.Module] = OrderedDict()
        if flatten_module:
            classifier["flatten"] = nn.Flatten()
        sizes = [PAPER.convolutions[-1] * 5 * 5] + [PAPER.hidden] * hidden_layers
        for position, (inputs, outputs) in enumerate(pairwise(sizes), start=6):
            names = (f"fc{position}", f"relu{position}", f"dropout{position}")
            classifier.update(zip(names, _hidden(inputs, outputs, dropout), strict=True))
        classifier[f"fc{6 + hidden_layers}"] = nn.Linear(sizes[-1], num_classes)
        if softmax:
            classifier["softmax"] = nn.Softmax(dim=1)
        self.classifier = nn.Sequential(classifier)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, channels, 224, 224) to (N, num_classes)."""
        features = self.features(x)
        has_flatten = isinstance(self.classifier[0], nn.Flatten)
        return self.classifier(features if has_flatten else torch.flatten(features, 1))


def alexnet_paper(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """Returns AlexNet with the paper's widths, merged on one GPU."""
    return AlexNet(PAPER, num_classes, dropout)


def alexnet_tv(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """Returns AlexNet with the widths of "One weird trick for parallelizing convolutional neural networks"."""
    return AlexNet(TORCHVISION, num_classes, dropout)


def alexnet_grouped(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet2012:
    """Returns the network on both GPUs of 2012: grouped convolutions and local response normalization."""
    return AlexNet2012(PAPER, num_classes, dropout, grouped=True, normalized=True)


def alexnet_half(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet2012:
    """Returns the half of the network on one GPU of 2012."""
    return AlexNet2012(HALF, num_classes, dropout)


def alexnet_unpadded(num_classes: int = 1000, dropout: float = 0.5) -> TextbookAlexNet:
    """Returns AlexNet without padding in the first convolution, and with a softmax."""
    return TextbookAlexNet(channels=3, padding=0, num_classes=num_classes, softmax=True, dropout=dropout)


def alexnet_d2l(num_classes: int = 10, dropout: float = 0.5) -> TextbookAlexNet:
    """Returns AlexNet for Fashion-MNIST: one channel, padding 1 in the first convolution."""
    return TextbookAlexNet(channels=1, padding=1, num_classes=num_classes, dropout=dropout)


def alexnet_slim(num_classes: int = 10, dropout: float = 0.5) -> TextbookAlexNet:
    """Returns AlexNet with one channel, no padding in the first convolution, and a single hidden layer."""
    return TextbookAlexNet(
        channels=1, padding=0, num_classes=num_classes, hidden_layers=1, flatten_module=False, dropout=dropout
    )
