"""Peak rates of GPUs from NVIDIA's datasheets."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_VENDOR = "NVIDIA "
_TERA, _GIGA = 1e12, 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasheet:
    """The peak rates of one GPU.

    Attributes:
        document: the name of the document.
        flops: dense TFLOP/s by number format, on tensor cores with float32 accumulation; ``fp32`` without tensor cores.
            Formats without tensor core support are left out.
        bandwidth: memory bandwidth in GB/s.
    """

    document: str
    flops: Mapping[str, float]
    bandwidth: float

    def peak_flops(self, dtype: str) -> float | None:
        """Returns the peak FLOP/s in a number format; None if the document has none."""
        peak = self.flops.get(dtype)
        return None if peak is None else peak * _TERA

    @property
    def peak_bytes(self) -> float:
        """Returns the memory bandwidth in bytes per second."""
        return self.bandwidth * _GIGA


def _create_datasheet(
    document: str, bandwidth: float, fp32: float, half: float, tf32: float | None = None
) -> Datasheet:
    """Returns a datasheet; ``half`` applies to fp16, and to bf16 if there is TF32, since both came with Ampere."""
    flops = {"fp32": fp32, "fp16": half} | ({} if tf32 is None else {"bf16": half, "tf32": tf32})
    return Datasheet(document=document, flops=MappingProxyType(flops), bandwidth=bandwidth)


_A100 = "NVIDIA A100 datasheet"
_V100 = "NVIDIA V100 datasheet"
_H100 = "NVIDIA H100 whitepaper v1.04"

DATASHEETS: Mapping[str, Datasheet] = MappingProxyType(
    {
        "Tesla V100-SXM2-16GB": _create_datasheet(_V100, 900, 15.7, 125),
        "Tesla V100-SXM2-32GB": _create_datasheet(_V100, 900, 15.7, 125),
        "Tesla V100-PCIE-16GB": _create_datasheet(_V100, 900, 14, 112),
        "Tesla V100-PCIE-32GB": _create_datasheet(_V100, 900, 14, 112),
        "Tesla T4": _create_datasheet("NVIDIA T4 datasheet", 320, 8.1, 65),
        "A100-SXM4-40GB": _create_datasheet(_A100, 1555, 19.5, 312, 156),
        "A100-PCIE-40GB": _create_datasheet(_A100, 1555, 19.5, 312, 156),
        "A100-SXM4-80GB": _create_datasheet(_A100, 2039, 19.5, 312, 156),
        "A100 80GB PCIe": _create_datasheet(_A100, 1935, 19.5, 312, 156),
        "A10": _create_datasheet("NVIDIA A10 datasheet", 600, 31.2, 125, 62.5),
        "A40": _create_datasheet("NVIDIA A40 datasheet", 696, 37.4, 149.7, 74.8),
        "L4": _create_datasheet("NVIDIA L4 datasheet", 300, 30.3, 121, 60),
        "L40S": _create_datasheet("NVIDIA L40S datasheet", 864, 91.6, 362.05, 183),
        "H100 80GB HBM3": _create_datasheet(_H100, 3350, 66.9, 989.4, 494.7),
        "H100 PCIe": _create_datasheet(_H100, 2000, 51.2, 756, 378),
        "H100 NVL": _create_datasheet("NVIDIA H100 datasheet", 3900, 60, 835.5, 417.5),
        "H200": _create_datasheet("NVIDIA H200 datasheet", 4800, 67, 989.5, 494.5),
        "GH200 480GB": _create_datasheet("NVIDIA GH200 datasheet", 4000, 67, 990, 494),
        "GeForce RTX 3090": _create_datasheet("NVIDIA GA102 whitepaper v2", 936, 35.6, 71, 35.6),
        "GeForce RTX 4090": _create_datasheet("NVIDIA Ada whitepaper v2.1", 1008, 82.6, 165.2, 82.6),
        "RTX A6000": _create_datasheet("NVIDIA GA102 whitepaper v2", 768, 38.7, 154.8, 77.4),
    }
)
"""Datasheets by torch's name of the GPU, without the vendor, which older drivers leave out.

Names must match exactly: an A10G is not an A10, and a part of a GPU has a longer name. Values that are published only
with sparsity (L4, H100 NVL, H200) are halved.
"""


def find_datasheet(device: str) -> Datasheet | None:
    """Returns the datasheet of a GPU by torch's name for it; None if it is not listed, never a similar GPU's."""
    return DATASHEETS.get(device.removeprefix(_VENDOR))
