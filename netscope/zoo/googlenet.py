"""GoogLeNet in the textbooks' form: five stages, no auxiliary classifiers, one-channel images."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Inception(nn.Module):
    """Four parallel branches, concatenated along the channels; a functional ReLU follows each convolution.

    Args:
        channels: channels of the input.
        one: filters of the 1×1 branch.
        three: filters of the 3×3 branch's reduction and convolution.
        five: filters of the 5×5 branch's reduction and convolution.
        pool: filters of the projection after pooling.
    """

    def __init__(self, channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        self.branch1 = nn.Conv2d(channels, one, kernel_size=1)
        self.branch2_reduce = nn.Conv2d(channels, three[0], kernel_size=1)
        self.branch2 = nn.Conv2d(three[0], three[1], kernel_size=3, padding=1)
        self.branch3_reduce = nn.Conv2d(channels, five[0], kernel_size=1)
        self.branch3 = nn.Conv2d(five[0], five[1], kernel_size=5, padding=2)
        self.branch4_pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        self.branch4 = nn.Conv2d(channels, pool, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, channels, H, W) to (N, one + three[1] + five[1] + pool, H, W)."""
        relu = functional.relu
        branches = (
            relu(self.branch1(x)),
            relu(self.branch2(relu(self.branch2_reduce(x)))),
            relu(self.branch3(relu(self.branch3_reduce(x)))),
            relu(self.branch4(self.branch4_pool(x))),
        )
        return torch.cat(branches, dim=1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2, padding=1)


class Reduction(nn.Module):
    """The second stage: 1×1 and 3×3 convolutions with functional ReLU, then pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(64, 64, kernel_size=1)
        self.conv2 = nn.Conv2d(64, 192, kernel_size=3, padding=1)
        self.pool = _pool()

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 64, H, W) to (N, 192, H / 2, W / 2)."""
        return self.pool(functional.relu(self.conv2(functional.relu(self.conv1(x)))))


class GoogLeNet(nn.Module):
    """GoogLeNet: ``stage1`` … ``stage5`` with nine Inception cells in the last three, then ``fc``."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3), nn.ReLU(inplace=True), _pool()
        )
        self.stage2 = Reduction()
        self.stage3 = nn.Sequential(
            Inception(192, 64, (96, 128), (16, 32), 32), Inception(256, 128, (128, 192), (32, 96), 64), _pool()
        )
        self.stage4 = nn.Sequential(
            Inception(480, 192, (96, 208), (16, 48), 64),
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128),
            _pool(),
        )
        self.stage5 = nn.Sequential(
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Flatten(),
        )
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 1, 96, 96) to (N, num_classes)."""
        for child in self.children():
            x = child(x)
        return x
