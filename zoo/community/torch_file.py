"""What `torch.save` wrote, read without PyTorch and without running any of it.

Such a file describes its objects by a pickle: a program that may call whatever Python has. The reader here knows the
few instructions that describe arrays, and calls nothing. A file that asks for more is refused.
"""

import io
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # comes with JAX: bfloat16 for NumPy
import numpy as np

from zoo.errors import InputError

_MOST_PICKLED = 1 << 26  # bytes of a description; 20,000 arrays take 3 MB
_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of files before PyTorch 1.6
_HEAD = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little")  # PROTO 2, LONG1 of ten bytes
_ROOT = re.compile(r"([^/]+)/data\.pkl")


class Refused(Exception):
    """Why a file is not read, without its name and full stop."""


class Storage(NamedTuple):
    kind: np.dtype
    key: str
    samples: int


class Tensor(NamedTuple):
    """An array that a file describes, in samples of its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=object))  # exact, however large a stranger's numbers are


class _Known(NamedTuple):
    """What stands in a pickle for a function: this is called instead."""

    call: Callable[..., Any]


def read(data: bytes, path: Path, most: int) -> Any:
    """The object that a file describes: dicts, lists, numbers and texts, with NumPy arrays in the place of tensors, of
    at most so many bytes. Raises InputError where it holds anything else or is broken."""
    try:
        return _zipped(data, most) if data[:4] == b"PK\x03\x04" else _legacy(data, most)
    except Refused as e:
        raise InputError(f"{path} {e}") from None
    except (zipfile.BadZipFile, struct.error, EOFError) as e:
        raise InputError(f"{path} is no whole file of torch.save: {e}; fetch it again") from None
    except (ValueError, TypeError, KeyError, IndexError, NotImplementedError, RuntimeError, OverflowError):
        raise InputError(f"{path} is no file of torch.save, or a broken one; fetch it again") from None


def is_torch(data: bytes) -> bool:
    return data[:4] == b"PK\x03\x04" or data.startswith(_HEAD)


def _zipped(data: bytes, most: int) -> Any:
    """Since PyTorch 1.6: a zip with a pickle and a file for each storage, packed by nothing."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        roots = [found[1] for name in entries if (found := _ROOT.fullmatch(name))]
        if len(roots) != 1:
            raise Refused("is a zip that torch.save did not write: it has no data.pkl; give a file of weights")

        def content(name: str, most: int) -> bytes:
            entry = entries.get(f"{roots[0]}/{name}")
            if entry is None:
                raise Refused(f"lacks its part {name[:40]!r}; fetch it again")
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > min(most, len(data)):
                raise Refused(f"has a part {name[:40]!r} of a size that cannot be; fetch it again")
            return archive.read(entry)

        if f"{roots[0]}/byteorder" in entries and content("byteorder", 16).strip() != b"little":
            raise Refused("was written on a computer of another byte order; save it anew on a usual one")
        made = unpickled(io.BytesIO(content("data.pkl", _MOST_PICKLED)))
        return _with_arrays(made, lambda key: content(f"data/{key}", most), most)


def _legacy(data: bytes, most: int) -> Any:
    """Before: pickles in a row, then the storages in the order of the last of them."""
    stream = io.BytesIO(data)
    if not data.startswith(_HEAD) or unpickled(stream) != _MAGIC or unpickled(stream) != _PROTOCOL:
        raise Refused("is no file of weights that torch.save or safetensors wrote")
    if unpickled(stream).get("little_endian") is not True:
        raise Refused("was written on a computer of another byte order; save it anew on a usual one")
    made, keys, sizes = unpickled(stream), unpickled(stream), {}
    for tensor in _tensors(made):
        sizes[tensor.storage.key] = tensor.storage.kind.itemsize
    parts, at = {}, stream.tell()
    for key in keys:
        (count,) = struct.unpack_from("<q", data, at)
        if count < 0:
            raise Refused("has a part of a size that cannot be; fetch it again")
        parts[key] = at + 8, count * sizes.get(key, 4)
        at += 8 + parts[key][1]
    if at > len(data):
        raise Refused("is cut short; fetch it again")
    return _with_arrays(made, lambda key: data[parts[key][0] : sum(parts[key])], most)


def _tensors(made: Any) -> list[Tensor]:
    """Those of a dict, and of the dicts in it."""
    inner = made.values() if isinstance(made, dict) else []
    rows = [inner, *(value.values() for value in inner if isinstance(value, dict))]
    return [value for row in rows for value in row if isinstance(value, Tensor)]


def _with_arrays(made: Any, content: Callable[[str], bytes], most: int) -> Any:
    """The dict with arrays, and the dicts in it with theirs."""
    if not isinstance(made, dict):
        raise Refused("holds no weights by name; save the network's state_dict")
    if sum(tensor.size * tensor.storage.kind.itemsize for tensor in _tensors(made)) > most:
        raise Refused(f"holds more than {most} bytes of weights, the most that can be right")

    def of(value: Any) -> Any:
        if isinstance(value, Tensor):
            return _array(value, content(value.storage.key))
        return value

    return {
        name: {inner: of(v) for inner, v in value.items()} if isinstance(value, dict) else of(value)
        for name, value in made.items()
    }


def _array(tensor: Tensor, data: bytes) -> np.ndarray:
    """Raises Refused where it reaches beyond its storage."""
    storage, offset, shape, strides = tensor
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    held = min(storage.samples, len(data) // storage.kind.itemsize)
    if min((offset, *shape, *strides)) < 0 or tensor.size > held or (tensor.size and last >= held):
        raise Refused("holds an array that reaches beyond what is stored of it; fetch it again")
    if not tensor.size:
        return np.zeros(shape, storage.kind)
    samples = np.frombuffer(data, storage.kind, held)[offset:]
    return np.lib.stride_tricks.as_strided(samples, shape, [n * storage.kind.itemsize for n in strides]).copy()


def _rebuilt(storage: Storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> Tensor:
    whole = type(offset) is int and all(type(n) is int and abs(n) < 2**48 for n in (*shape, *strides))
    if not (isinstance(storage, Storage) and whole and len(shape) == len(strides) <= 8):
        raise Refused("holds an array that cannot be; fetch it again")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _ordered(pairs: Any = ()) -> dict:
    made: dict[str | int, Any] = {}
    for pair in pairs:
        _set(made, pair)
    return made


_GLOBALS: dict[str, Any] = {
    "collections OrderedDict": _Known(_ordered),
    "torch._utils _rebuild_tensor": _Known(_rebuilt),
    "torch._utils _rebuild_tensor_v2": _Known(_rebuilt),
    "torch._utils _rebuild_parameter": _Known(lambda tensor, *_: tensor),
    **{f"torch {name}": kind for name, kind in _STORAGES.items()},
}


def unpickled(stream: io.BytesIO) -> Any:
    """The object that a pickle describes, of dicts, lists, tuples, numbers, texts and tensors."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        first = marks.pop()
        rest = stack[first:]
        del stack[first:]
        return rest

    def popped(count: int) -> list[Any]:
        rest = stack[len(stack) - count :]
        if len(rest) < count:
            raise IndexError
        del stack[len(stack) - count :]
        return rest

    arg: Any
    for code, arg, _ in pickletools.genops(stream):
        name: str = code.name
        if name in ("PROTO", "FRAME"):
            pass
        elif name == "STOP":
            return stack.pop()
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _VALUES:
            stack.append(arg)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[int(arg)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[int(arg)])
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(popped(int(name[-1]))))
        elif name in ("APPEND", "APPENDS"):
            items = popped(1) if name == "APPEND" else since_mark()
            _of(list, stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = popped(2) if name == "SETITEM" else since_mark()
            _set(stack[-1], items)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(_known(arg if name == "GLOBAL" else " ".join(_of(str, part) for part in popped(2))))
        elif name == "REDUCE":
            called, args = popped(2)
            stack.append(_of(_Known, called).call(*_of(tuple, args)))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "BUILD":  # what PyTorch notes of a state_dict beside its arrays
            stack.append(_of(dict, popped(2)[0]))
        else:
            raise Refused(f"asks for {name}, which no file of weights needs, and is not read")
    raise EOFError("it ends too early")


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_VALUES |= {"BINSTRING", "SHORT_BINSTRING", "INT", "LONG", "FLOAT"}


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _set(target: Any, items: Sequence[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int):
            raise Refused("holds weights by no names; save the network's state_dict")
        _of(dict, target)[key] = value


def _known(name: str) -> Any:
    if name not in _GLOBALS:
        asked = name.replace(" ", ".")[:80]
        raise Refused(f"asks for {asked}, which no file of weights needs, and is not read; save its state_dict alone")
    return _GLOBALS[name]


def _storage(named: Any) -> Storage:
    """Of ("storage", kind, key, place, count, ...)."""
    word, kind, key, _, count, *_ = _of(tuple, named)
    if word != "storage" or not isinstance(kind, np.dtype) or not isinstance(key, str) or type(count) is not int:
        raise Refused("holds an array that cannot be; fetch it again")
    return Storage(kind, key, count)
