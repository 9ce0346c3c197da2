"""Network in Network in the textbooks' form: 1×1 convolutions instead of fully connected layers."""

from torch import Tensor, nn


def _block(channels: int, filters: int, kernel_size: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Returns a convolution and two 1×1 convolutions, with ReLU after each."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, kernel_size, stride, padding),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, kernel_size=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, kernel_size=1),
        nn.ReLU(inplace=True),
    )


class NiN(nn.Module):
    """Network in Network: four blocks, the last with one filter per class, averaged over the image."""

    def __init__(self, num_classes: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _block(1, 96, kernel_size=11, stride=4),
            nn.MaxPool2d(kernel_size=3, stride=2),
            _block(96, 256, kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2),
            _block(256, 384, kernel_size=3, padding=1),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            _block(384, num_classes, kernel_size=3, padding=1),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 1, 224, 224) to (N, num_classes)."""
        return self.classifier(self.features(x))
