"""Small models before and after edits that a reviewer meets, for ``diff_sentences.py``: each option is one edit."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvNet(nn.Module):
    """Two convolutions with normalization, a residual block and a classifier."""

    def __init__(
        self,
        width: int = 32,
        kernel: int = 3,
        activation: str = "relu",
        norm: str = "batch",
        eps: float = 1e-5,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, kernel, padding="same", bias=False)
        self.norm = nn.GroupNorm(8, width) if norm == "group" else nn.BatchNorm2d(width, eps=eps)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, 10)
        self.activate = getattr(functional, activation)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits."""
        x = self.activate(self.norm(self.stem(x)))
        y = self.activate(self.body(x))
        return self.head((x + y if self.residual else y).mean((2, 3)))


class Attention(nn.Module):
    """Multi-head self-attention that calls the function of torch."""

    def __init__(self, dim: int = 64, heads: int = 4, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the attended tokens."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(attended.transpose(1, 2).flatten(2))


def perceptron(dtype: str = "float32") -> nn.Module:
    """Returns three fully connected layers, in a dtype; of ``int8``, quantized dynamically."""
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))
    if dtype == "int8":
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    return model.to(getattr(torch, dtype))
