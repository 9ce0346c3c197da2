"""Hand-made results, so that what follows from blocks is tested without measuring anything."""

from netscope.schema import (
    Architecture,
    BenchConfig,
    BenchEnvironment,
    BenchResult,
    Block,
    DeviceLimits,
    InputSpec,
    WarmUp,
)

ENVIRONMENT = BenchEnvironment(
    time="2026-01-31T12:00:00Z",
    command="netscope bench",
    versions={"netscope": "0.1.0", "python": "3.12.1", "torch": "2.11.0", "cuda": "12.8", "cudnn": "90100"},
    system="Linux 6.1",
    cpu="Some CPU",
    cores=16,
    threads=8,
    memory_bytes=2**37,
    load=0.5,
    device="NVIDIA H100 80GB HBM3",
    device_memory_bytes=2**36,
    driver="570.1",
    device_limits={"power_limit_w": 700.0},
    variables={},
    revision="0123456789abcdef0123456789abcdef01234567",
    dirty=True,
)


def architecture(name):
    return Architecture(spec=name, source="built-in", name=name, options={}, description="")


def block(step_s=0.01, *, steps=10, start_s=0.0, device=True, enqueue_share=0.1, busy_share=1.0, latencies=()):
    wall = step_s * steps
    return Block(
        start_s=start_s,
        steps=steps,
        wall_s=wall,
        device_s=wall if device else None,
        enqueue_s=wall * enqueue_share,
        first_enqueue_s=step_s * enqueue_share,
        busy_s=wall * busy_share,
        latencies_s=latencies,
    )


def blocks(step_s=0.01, *, count=20, noise=0.002, drift=0.0, **figures):
    """Blocks that alternate around ``step_s`` by ``noise``, and drift from the first to the last."""
    times = [
        step_s * (1 + (noise if number % 4 in (0, 3) else -noise) + drift * number / count) for number in range(count)
    ]
    return tuple(block(time, start_s=0.1 * number, **figures) for number, time in enumerate(times))


def result(name="toy", **fields):
    """A result on a GPU in which nothing is remarkable."""
    config = BenchConfig(device="cuda", batch_size=32, dtype="bf16")
    usual = {
        "architecture": architecture(name),
        "inputs": (InputSpec(name="x", shape=(32, 3, 224, 224), dtype="float32"),),
        "config": config,
        "environment": ENVIRONMENT,
        "status": "ok",
        "work": "forward in eval mode and inference_mode; 4 random inputs in rotation, already on the device",
        "samples": 32,
        "build_s": 0.8,
        "warm_up": WarmUp(first_step_s=1.25, compile_s=None, steps=140, seconds=2.5, is_stable=True),
        "sync_s": 1e-5,
        "blocks": blocks(),
        "flops": 3 * 10**12,
        "bytes_moved": 10**10,
        "device_limits": DeviceLimits(
            matmul_flops=7e14,
            copy_bytes=2.5e12,
            datasheet="NVIDIA H100 whitepaper v1.04",
            datasheet_flops=989.4e12,
            datasheet_bytes=3.35e12,
        ),
        "peak_memory_bytes": (3 * 2**30,),
    }
    return BenchResult(**(usual | fields))
