"""VGG-11 in the textbooks' form: blocks of 3×3 convolutions, for one-channel images."""

from torch import Tensor, nn

BLOCKS = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
HIDDEN = 4096


def _block(channels: int, convolutions: int, filters: int) -> nn.Sequential:
    """Returns ``convolutions`` padded 3×3 convolutions with ReLU, then 2×2 max pooling."""
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [nn.Conv2d(channels, filters, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
        channels = filters
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


class VGG11(nn.Module):
    """VGG-11: five blocks ``vgg_block_1`` … ``vgg_block_5``, then ``fc``."""

    def __init__(self, num_classes: int = 10, width_divisor: int = 1, dropout: float = 0.5) -> None:
        super().__init__()
        channels = 1
        for position, (convolutions, filters) in enumerate(BLOCKS, start=1):
            self.add_module(f"vgg_block_{position}", _block(channels, convolutions, filters // width_divisor))
            channels = filters // width_divisor
        hidden = HIDDEN // width_divisor
        self.fc = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * 7 * 7, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 1, 224, 224) to (N, num_classes)."""
        for child in self.children():
            x = child(x)
        return x


def vgg11_d2l(num_classes: int = 10, dropout: float = 0.5) -> VGG11:
    """Returns VGG-11 with the published widths."""
    return VGG11(num_classes, dropout=dropout)


def vgg11_d2l_small(num_classes: int = 10, dropout: float = 0.5) -> VGG11:
    """Returns VGG-11 with all widths divided by 8."""
    return VGG11(num_classes, width_divisor=8, dropout=dropout)
