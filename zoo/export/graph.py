"""An ONNX graph, written node by node. Pictures in it are [n c h w], of any height and width."""

import importlib
from typing import Any

import numpy as np

from zoo.errors import FlagError

OPSET, IR_VERSION = 18, 8  # the least that have all that is drawn: older programs read them too
Value = str | np.ndarray | float  # the name of what a node gave, or what the file is to hold


def library(name: str = "onnx") -> Any:
    """The package that writes ONNX files. Raises FlagError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise FlagError("an ONNX file takes the package onnx: pip install 'filmzoo[onnx]'") from None


class Graph:
    """`graph("Add", a, b)` adds a node and is the name of what it gives. Arrays and numbers become constants."""

    def __init__(self):
        self.helper, self._numpy = library("onnx.helper"), library("onnx.numpy_helper")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, operator: str, *inputs: Value, **attributes: Any) -> str:
        out = f"v{len(self.nodes)}"
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        self.nodes.append(self.helper.make_node(operator, names, [out], **attributes))
        return out

    def _constant(self, value: np.ndarray | float) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(value)
        array = array if array.dtype == np.int64 else array.astype(np.float32)
        self.constants.append(self._numpy.from_array(np.ascontiguousarray(array), name))
        return name

    def conv(
        self, x: str, kernel: np.ndarray, bias: np.ndarray | None = None, *, pad: int, stride: int = 1, groups: int = 1
    ) -> str:
        """`kernel`: [k l i o]; `pad`: zeros on each side."""
        given = [kernel.transpose(3, 2, 0, 1)] + ([] if bias is None else [bias])
        return self("Conv", x, *given, pads=[pad] * 4, strides=[stride, stride], group=groups)

    def concatenated(self, *parts: str) -> str:
        """Along the channels."""
        return parts[0] if len(parts) == 1 else self("Concat", *parts, axis=1)

    def fold(self, x: str, side: int) -> str:
        """Blocks of side x side pixels into channels."""
        return self("SpaceToDepth", x, blocksize=side) if side > 1 else x

    def unfold(self, x: str, side: int) -> str:
        """The way back."""
        return self("DepthToSpace", x, blocksize=side, mode="DCR") if side > 1 else x

    def reflected(self, x: str, p: int) -> str:
        """Mirrored at the middle of the outermost samples."""
        return self("Pad", x, np.array([0, 0, p, p, 0, 0, p, p]), mode="reflect")

    def mirrored(self, x: str, p: int) -> str:
        """Mirrored at the edges of the outermost samples, which ONNX's own padding cannot."""
        far = np.iinfo(np.int64).min
        for axis in (2, 3):
            turned = lambda first, last, x=x, axis=axis: self(
                "Slice", x, np.array([first]), np.array([last]), np.array([axis]), np.array([-1])
            )
            x = self("Concat", turned(p - 1, far), x, turned(-1, -1 - p), axis=axis)
        return x
