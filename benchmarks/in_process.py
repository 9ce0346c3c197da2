"""What ``performance.py`` measures in one process, interleaved; prints it as JSON.

python benchmarks/in_process.py summary resnet152
"""

import gc
import json
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Mapping
from statistics import median

TURNS = 3
"""Of each contestant, after one that is not counted."""


def interleaved(contestants: Mapping[str, Callable[[], object]], turns: int = TURNS) -> dict[str, float]:
    """The median time of each contestant in seconds."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(turns + 1):
        for name, run in contestants.items():
            gc.collect()
            start = time.perf_counter()
            run()
            if turn:
                taken[name].append(time.perf_counter() - start)
    return {name: median(times) for name, times in taken.items()}


def summary(name: str) -> dict[str, float]:
    """``summarize`` of a model that is built on meta, against building it and running it once."""
    import torch

    import netscope

    if name == "llama":
        from transformers import LlamaConfig, LlamaForCausalLM

        def built() -> torch.nn.Module:
            model: torch.nn.Module = LlamaForCausalLM(LlamaConfig(num_hidden_layers=32))
            return model

        x, shape = torch.zeros(1, 128, dtype=torch.int64, device="meta"), "1x128:int64"
    else:
        import torchvision

        def built() -> torch.nn.Module:
            model: torch.nn.Module = torchvision.models.get_model(name, weights=None)
            return model

        size = 256 if name == "swin_v2_b" else 224
        x, shape = torch.zeros(1, 3, size, size, device="meta"), f"1x3x{size}x{size}"

    def on_meta() -> torch.nn.Module:
        with torch.device("meta"):
            return built().eval()

    def floor() -> None:
        with torch.no_grad():
            on_meta()(x)

    return interleaved({"build and forward": floor, "netscope": lambda: netscope.summarize(on_meta(), shape)})


def scale() -> dict[str, float]:
    """``summarize`` of 1,000 and of 10,000 layers: times, and the most memory of Python's objects at once."""
    import torch
    from torch import nn

    import netscope

    def of(layers: int) -> Callable[[], object]:
        with torch.device("meta"):
            model = nn.Sequential(*(layer for _ in range(layers // 2) for layer in (nn.Linear(8, 8), nn.ReLU())))
        return lambda: netscope.summarize(model, (1, 8))

    small, large = of(1_000), of(10_000)
    measured = interleaved({"1000": small, "10000": large}, turns=2)
    for name, run in (("1000 bytes", small), ("10000 bytes", large)):
        tracemalloc.start()
        run()
        measured[name] = float(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return measured


def many() -> dict[str, float]:
    """How long torchvision takes to import, and all of its classification models to build and run once on meta."""
    start = time.perf_counter()
    import torchvision.models

    imported_s = time.perf_counter() - start
    import torch

    from netscope.sources import resolve
    from netscope.tracing import preserve_process_state

    names = torchvision.models.list_models(module=torchvision.models)
    start = time.perf_counter()
    with preserve_process_state():
        for name in names:
            resolved = resolve(f"torchvision/{name}")
            with torch.device("meta"):
                try:
                    model = resolved.factory().eval()
                except RuntimeError:  # some constructors want values
                    model = None
            if model is None:
                model = resolved.factory().eval().to("meta")
            (request,) = resolved.default_inputs(model).args
            with torch.no_grad():
                model(torch.zeros(request.shape, device="meta"))
    return {"import": imported_s, "build and forward": time.perf_counter() - start, **dict.fromkeys(names, 0.0)}


def throughput() -> dict[str, float]:
    """Seconds for a batch of 8 through resnet18 on the CPU: by ``netscope.bench``, and as timm's ``benchmark.py`` does.

    timm runs 10 steps, then 40, each with a new look at the clock, and divides.
    """
    import torch
    import torchvision

    import netscope

    model = torchvision.models.resnet18().eval()
    x = torch.randn(8, 3, 224, 224)
    with torch.no_grad():
        for _ in range(10):
            model(x)
        total_s = 0.0
        for _ in range(40):
            start = time.perf_counter()
            model(x)
            total_s += time.perf_counter() - start
    (result,) = netscope.bench("resnet18", device="cpu", batch_size=8, max_time_s=15).results
    return {"timm's loop": total_s / 40, "netscope": result.step_s.mean}


MEASURES: Mapping[str, Callable[..., dict[str, float]]] = {
    "summary": summary,
    "scale": scale,
    "many": many,
    "throughput": throughput,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(MEASURES[sys.argv[1]](*sys.argv[2:])))
