"""The opponent: the same networks with the same weights in PyTorch, eager and compiled, channels last, float32 and
bfloat16. Nothing is timed before its output agrees. Without PyTorch there is no opponent, and results say so.
"""

import contextlib
import copy
import gc
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo.errors import ZooError

TOLERANCE = 1e-4
VARIANTS = 64  # of one `forward` that torch.compile keeps: more than any step has
MISSING = "PyTorch is not installed (pip install 'filmzoo[bench]'): ours is measured alone"


def available() -> bool:
    return importlib.util.find_spec("torch") is not None


def version() -> str | None:
    if not available():
        return None
    import torch

    return torch.__version__


def variants(*, tiny: bool) -> dict[str, dict[str, Any]]:
    """{name: options of `restorer` or of a train step}; nothing is compiled for the tiny size."""
    kinds = {"torch eager": {}, "torch compile": {"compiled": True}}
    if tiny or has_bfloat16():
        kinds |= {f"{name} bf16": options | {"half": True} for name, options in kinds.items()}
    return {name: options for name, options in kinds.items() if not (tiny and "compiled" in options)}


def has_bfloat16() -> bool:
    """Whether the device computes in it. (A processor without it takes ten times as long as in float32, and minutes for
    one step of the CycleGAN.)"""
    import torch

    return device() != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def fresh() -> None:
    """Gives back what earlier rows left in PyTorch's own pool of an accelerator's memory; there it is to try its
    algorithms, as XLA does."""
    import torch

    torch.backends.cudnn.benchmark = True
    gc.collect()
    torch.cuda.empty_cache()  # does nothing where there is none


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() and jax.default_backend() != "cpu" else "cpu"


def twin(network: nnx.Module, picture: np.ndarray) -> Any:
    """The network in PyTorch; a ZooError where its output for `picture` [n h w c] is not the network's."""
    import torch

    from benchmarks.torch_networks import convert

    module = convert(network)
    graph, state = nnx.split(network)
    with exact(), torch.inference_mode():
        ours = np.asarray(jax.jit(lambda state, x: nnx.merge(graph, state)(x))(state, jnp.asarray(picture)))
        theirs = module(torch.from_numpy(picture).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    agree(type(network.config).__name__, ours, theirs)
    return module


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Products in all of float32's bits, as a `Restorer` has them: by default, accelerators round factors to TF32."""
    import torch

    kept, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        with jax.default_matmul_precision("highest"):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = kept


def agree(what: str, ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
    """Raises a ZooError where two results differ: different work is not compared."""
    difference = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))
    if not difference <= tolerance:
        raise ZooError(f"{what}: PyTorch's result is {difference:.3g} off, more than {tolerance:g}; nothing is timed")


def compile_alone(module: Any) -> Any:
    """`torch.compile` at its best, with nothing kept of other rows: PyTorch keeps eight variants of a `forward`, of all
    networks and types together, runs the ninth uncompiled, and compiles for any size once it has seen two."""
    import torch

    torch.compiler.reset()
    torch._dynamo.config.recompile_limit = VARIANTS
    return torch.compile(module)


def restorer(module: Any, *, compiled: bool = False, half: bool = False) -> Callable[[np.ndarray], np.ndarray]:
    """float32 [h w 3] to the same, from memory to memory, as `zoo.Restorer` does it."""
    import torch

    where, kind = device(), torch.bfloat16 if half else torch.float32
    module = copy.deepcopy(module).to(where, kind, memory_format=torch.channels_last)
    forward = compile_alone(module) if compiled else module

    def restore(picture: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), contextlib.nullcontext() if half else exact():  # float32 as ours is
            x = torch.from_numpy(picture)[None].permute(0, 3, 1, 2)  # channels last in memory already
            restored = forward(x.to(where, kind)).clamp(0, 1).float()
            return restored[0].permute(1, 2, 0).cpu().numpy()

    return restore
