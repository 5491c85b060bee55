"""A file of other people's weights as arrays by name, with the licence that it states."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # comes with JAX: bfloat16 for NumPy
import numpy as np

from zoo import cards, checked
from zoo.community import torch_file
from zoo.errors import InputError

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
_MOST_BYTES = 1 << 30  # of a file, and of the arrays in it
_MOST_ARRAYS = 20_000
_KINDS = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}
_KINDS["BF16"] = np.dtype(ml_dtypes.bfloat16)
# What trainers wrap weights in, those first that are the best of a file.
_WRAPPERS = ("params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net", "network")
_PREFIXES = ("module.", "netG.", "generator.", "_orig_mod.")
_LICENCES = ("license", "licence", "modelspec.license")


class Weights(NamedTuple):
    """`arrays`: float32 by name; `licence`: as the file states it, "" where it does not."""

    arrays: dict[str, np.ndarray]
    licence: str
    data: bytes


def read(path: Path) -> Weights:
    """Raises InputError for a file that is broken, hostile, too large, or no weights."""
    data = checked.content(path, most=_MOST_BYTES)
    if torch_file.is_torch(data):
        made = torch_file.read(data, path, _MOST_BYTES)
        found, said = _unwrapped(made), made
    elif path.suffix.lower() != ".safetensors":
        raise InputError(f"{path} is no file of weights that torch.save or safetensors wrote")
    else:
        found, said = cards.unpack(data, path, _KINDS), _stated(data)
    arrays = {_bare(name): value for name, value in found.items() if isinstance(value, np.ndarray)}
    if not arrays or len(arrays) > _MOST_ARRAYS:
        raise InputError(f"{path} holds {len(arrays)} arrays, which are no network's; give a file of weights")
    with np.errstate(over="ignore"):  # of float64: found below
        floats = {name: array.astype(np.float32) for name, array in arrays.items() if array.dtype.kind not in "iub"}
    if wrong := [name for name, array in floats.items() if not np.isfinite(array).all()]:
        raise InputError(f"{path} holds weights that are no finite numbers, in {wrong[0][:60]}; take others")
    words = [str(said[key]).strip() for key in _LICENCES if isinstance(said.get(key), str)]
    return Weights(floats, next(filter(None, words), "")[:200], data)


def _unwrapped(made: dict[Any, Any]) -> dict[str, Any]:
    inner = next((made[key] for key in _WRAPPERS if isinstance(made.get(key), dict)), made)
    return {str(name): value for name, value in inner.items()}


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _stated(data: bytes) -> dict[str, Any]:
    """What safetensors say of themselves; the library has found them whole."""
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return head.get("__metadata__", {})
