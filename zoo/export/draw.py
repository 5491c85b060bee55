"""The networks of the zoo as nodes of an ONNX graph: what each module computes, with the weights that it has."""

import functools
from typing import Any

import numpy as np
from flax import nnx

from zoo import resize
from zoo.export.graph import Graph
from zoo.models.cyclegan import ResidualGenerator
from zoo.models.densenet import DenseBlock, DenseLayer
from zoo.models.gan import PlainLayer
from zoo.models.layers import Conv, Denoiser, Upsample
from zoo.models.norms import EPSILON, BatchNorm, Identity, InstanceNorm
from zoo.models.resnet import ResidualBlock
from zoo.models.unet import UNet
from zoo.models.upscale import BASE, Upscaler

_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # the directions of `directional_fill`, rows down and columns right


@functools.singledispatch
def drawn(module: Any, graph: Graph, x: str) -> str:
    """The name of what `module` makes of `x`. Raises NotImplementedError for one that nothing here draws."""
    raise NotImplementedError(type(module).__name__)


def through(graph: Graph, modules: Any, x: str) -> str:
    """One after the other."""
    return functools.reduce(lambda x, module: drawn(module, graph, x), modules, x)


def array(parameter: Any) -> np.ndarray:
    return np.asarray(parameter[...], np.float32)


def _bias(layer: Any) -> np.ndarray | None:
    return None if layer.bias is None else array(layer.bias)


@drawn.register
def _(layer: Conv, graph: Graph, x: str) -> str:
    kernel = array(layer.kernel)
    p = kernel.shape[0] // 2
    if layer.pad == "reflect" and p:
        x, p = graph.reflected(x, p), 0
    return graph.conv(x, kernel, _bias(layer), pad=p, stride=layer.stride)


@drawn.register
def _(layer: Upsample, graph: Graph, x: str) -> str:
    given = [array(layer.kernel).transpose(2, 3, 0, 1)] + ([] if layer.bias is None else [array(layer.bias)])
    return graph("ConvTranspose", x, *given, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])


@drawn.register
def _(layer: BatchNorm, graph: Graph, x: str) -> str:
    statistics = map(array, (layer.scale, layer.bias, layer.mean, layer.var))
    return graph("BatchNormalization", x, *statistics, epsilon=EPSILON)


@drawn.register
def _(layer: InstanceNorm, graph: Graph, x: str) -> str:
    off = graph("Sub", x, graph("ReduceMean", x, np.array([2, 3])))
    variance = graph("ReduceMean", graph("Mul", off, off), np.array([2, 3]))
    return graph("Div", off, graph("Sqrt", graph("Add", variance, EPSILON)))


@drawn.register
def _(layer: Identity, graph: Graph, x: str) -> str:
    return x


@drawn.register(nnx.Sequential)
def _(network: Any, graph: Graph, x: str) -> str:
    return through(graph, network.layers, x)


@drawn.register
def _(block: ResidualBlock, graph: Graph, x: str) -> str:
    y = graph("Relu", through(graph, (block.first, block.first_norm), x))
    return graph("Add", x, through(graph, (block.second, block.second_norm), y))


@drawn.register
def _(layer: PlainLayer, graph: Graph, x: str) -> str:
    return graph("Relu", through(graph, (layer.conv, layer.norm), x))


@drawn.register
def _(block: DenseBlock, graph: Graph, x: str) -> str:
    features = [x]
    for layer in block.layers:
        features.append(_dense(layer, graph, features))
    return graph("Add", x, _dense(block.transition, graph, features))


def _dense(layer: DenseLayer, graph: Graph, features: list[str]) -> str:
    normed = [graph("Relu", drawn(norm, graph, x)) for norm, x in zip(layer.norms, features, strict=True)]
    kernel = np.concatenate([array(conv.kernel) for conv in layer.convs], 2)
    return graph.conv(graph.concatenated(*normed), kernel, _bias(layer.convs[0]), pad=kernel.shape[0] // 2)


@drawn.register
def _(network: UNet, graph: Graph, x: str) -> str:
    skips = []
    for encode, down in zip(network.encoders, network.downs, strict=True):
        skips.append(drawn(encode, graph, x))
        x = drawn(down, graph, graph.fold(skips[-1], 2))
    x = drawn(network.bottom, graph, x)
    for up, skip, decode in reversed(list(zip(network.ups, network.skips, network.decoders, strict=True))):
        x = graph("Add", graph.unfold(drawn(up, graph, x), 2), drawn(skip, graph, skips.pop()))
        x = drawn(decode, graph, x)
    return x


@drawn.register
def _(network: Denoiser, graph: Graph, x: str) -> str:
    def residual(x: str) -> str:
        y = through(graph, (network.entry, network.body, network.exit), graph.fold(x, network.config.fold))
        return graph.unfold(y, network.config.fold)

    if not network.config.impulse:
        return graph("Add", x, residual(x))
    hit = _impulses(graph, x)
    hits = graph("Cast", hit, to=1)  # float32
    filled = _directional_fill(graph, x, hit, hits)
    restored = graph("Add", filled, residual(graph.concatenated(filled, hits)))
    return graph("Where", hit, restored, x)


def _impulses(graph: Graph, x: str) -> str:
    """As `zoo.filters.find_impulses`."""

    def lonely(extreme: str) -> str:
        count = _box_sum(graph, graph("Cast", extreme, to=1))
        return graph("And", extreme, graph("Less", count, 13.5))

    channels = np.array([1])
    black = graph("LessOrEqual", graph("ReduceMax", x, channels), 0.0)
    white = graph("GreaterOrEqual", graph("ReduceMin", x, channels), 1.0)
    return graph("Or", lonely(black), lonely(white))


def _directional_fill(graph: Graph, x: str, hit: str, hits: str) -> str:
    """As `zoo.filters.directional_fill`."""
    whole = graph("Sub", 1.0, hits)
    taps = np.exp(-0.5 * (np.arange(-2, 3) / 0.5) ** 2)
    blurred = graph.mirrored(graph.concatenated(graph("Mul", x, whole), whole), 2)
    blurred = _each(graph, blurred, np.outer(taps, taps) / taps.sum() ** 2, 4)
    known, near = (graph("Slice", blurred, *(np.array([k]) for k in part)) for part in ((0, 3, 1), (3, 4, 1)))
    roughly = graph("Div", known, graph("Max", near, 1e-12))
    z = graph("Where", graph("And", hit, graph("Greater", near, 0.0)), roughly, x)
    around = graph.mirrored(z, 2)
    totals, weights = [], []
    for dy, dx in _STEPS:
        kernel = np.zeros((5, 5))
        for k, tap in ((-2, -1), (-1, 4), (1, 4), (2, -1)):
            kernel[2 + k * dy, 2 + k * dx] = tap / 6
        guess = _each(graph, around, kernel, 3)
        off = graph("Sub", guess, z)
        squares = graph("ReduceMean", graph("Mul", off, off), np.array([1]))
        error = graph("Add", _box_sum(graph, graph("Mul", whole, squares)), 2e-4)
        weight = graph("Div", 0.25 if dy and dx else 1.0, graph("Mul", error, error))
        weights.append(weight)
        totals.append(graph("Mul", weight, guess))
    filled = graph("Div", graph("Sum", *totals), graph("Sum", *weights))
    return graph("Clip", graph("Where", hit, filled, z), 0.0, 1.0)


def _box_sum(graph: Graph, x: str) -> str:
    """Of 5x5 samples of one channel, zeros beyond the border."""
    return graph.conv(x, np.ones((5, 5, 1, 1)), pad=2)


def _each(graph: Graph, x: str, kernel: np.ndarray, channels: int) -> str:
    """Every channel by itself under one kernel, unpadded."""
    return graph.conv(x, np.repeat(kernel[..., None, None], channels, -1), pad=0, groups=channels)


@drawn.register
def _(network: ResidualGenerator, graph: Graph, x: str) -> str:
    norms = iter(network.norms)
    activated = lambda x: graph("Relu", drawn(next(norms), graph, x))
    x = graph("Sub", graph("Mul", x, 2.0), 1.0)
    x = activated(drawn(network.entry, graph, x))
    for down in network.downs:
        x = activated(drawn(down, graph, x))
    x = through(graph, network.blocks, x)
    for up in network.ups:
        x = activated(drawn(up, graph, x))
    return graph("Div", graph("Add", graph("Tanh", drawn(network.exit, graph, x)), 1.0), 2.0)


@drawn.register
def _(network: Upscaler, graph: Graph, x: str) -> str:
    features = drawn(network.entry, graph, graph("Sub", x, 0.5))
    features = graph("Add", features, through(graph, network.blocks, features))
    detail = graph.unfold(drawn(network.exit, graph, features), network.config.scale)
    return graph("Add", _resized(graph, x, network.config.scale), detail)


def _resized(graph: Graph, x: str, scale: int) -> str:
    """As `zoo.resize.resized` makes pictures so many times larger: each of the samples that come of one has its own
    kernel."""
    reach = resize.KERNELS[BASE].reach
    around, middle = 2 * reach + 1, 2 * reach  # a line so long that none of the middle's taps is mirrored
    places, weights = resize.taps(2 * middle + 1, scale * (2 * middle + 1), 0.0, 2.0 * middle + 1, BASE)
    lines = np.zeros((scale, around))
    for k, line in enumerate(lines):
        line[places[scale * middle + k] - middle + reach] = weights[scale * middle + k]
    kernels = np.einsum("ar,bc->rcab", lines, lines).reshape(around, around, 1, scale**2)
    y = graph.conv(graph.mirrored(x, reach), np.tile(kernels, (1, 1, 1, 3)), pad=0, groups=3)
    return graph("DepthToSpace", y, blocksize=scale, mode="CRD")
