"""Other people's networks as nodes of an ONNX graph."""

import numpy as np

from zoo.export.draw import array, drawn, through
from zoo.export.graph import Graph
from zoo.models.community.compact import Compact
from zoo.models.community.dncnn import DnCNN
from zoo.models.community.esrgan import SHARE, DensePart, DenseParts, Esrgan
from zoo.models.community.plksr import EPSILON, GROUPS, FarBlock, Plksr
from zoo.models.community.span import MEAN, RANGE, Attending, Span


def _larger(graph: Graph, x: str, scale: int) -> str:
    """Every sample `scale` times along both sides."""
    if scale == 1:
        return x
    sides = np.array([1, 1, scale, scale], np.float32)
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph("Resize", x, "", sides, **how)


def _leaky(graph: Graph, x: str) -> str:
    return graph("LeakyRelu", x, alpha=0.2)


@drawn.register
def _(network: Compact, graph: Graph, x: str) -> str:
    y, scale = x, network.config.scale
    for layer, slope in zip(network.convs, network.slopes, strict=True):
        y = graph("PRelu", drawn(layer, graph, y), array(slope)[:, None, None])
    return graph("Add", graph.unfold(drawn(network.exit, graph, y), scale), _larger(graph, x, scale))


@drawn.register
def _(part: DensePart, graph: Graph, x: str) -> str:
    features, (*others, last) = [x], part.convs
    for layer in others:
        features.append(_leaky(graph, drawn(layer, graph, graph.concatenated(*features))))
    return graph("Add", x, graph("Mul", SHARE, drawn(last, graph, graph.concatenated(*features))))


@drawn.register
def _(block: DenseParts, graph: Graph, x: str) -> str:
    return graph("Add", x, graph("Mul", SHARE, through(graph, block.parts, x)))


@drawn.register
def _(network: Esrgan, graph: Graph, x: str) -> str:
    y = drawn(network.entry, graph, graph.fold(x, network.config.fold))
    y = graph("Add", y, drawn(network.trunk, graph, through(graph, network.blocks, y)))
    for up in network.ups:
        y = _leaky(graph, drawn(up, graph, _larger(graph, y, 2)))
    return drawn(network.exit, graph, _leaky(graph, drawn(network.last, graph, y)))


@drawn.register
def _(network: Span, graph: Graph, x: str) -> str:
    if network.config.centred:
        x = graph("Mul", graph("Sub", x, np.array(MEAN)[:, None, None]), RANGE)
    made, begun = [drawn(network.entry, graph, x)], ""
    for block in network.blocks:
        y, begun = _attending(block, graph, made[-1])
        made.append(y)
    y = graph.concatenated(made[0], drawn(network.deep, graph, made[-1]), made[1], begun)
    return graph.unfold(through(graph, (network.merged, network.exit), y), network.config.scale)


def _attending(block: Attending, graph: Graph, x: str) -> tuple[str, str]:
    silu = lambda y: graph("Mul", y, graph("Sigmoid", y))
    begun = silu(drawn(block.convs[0], graph, x))
    y = drawn(block.convs[2], graph, silu(drawn(block.convs[1], graph, begun)))
    weight = graph("Sub", graph("Sigmoid", y), 0.5)
    return graph("Mul", graph("Add", y, x), weight), begun


@drawn.register
def _(network: DnCNN, graph: Graph, x: str) -> str:
    grey, (*others, last) = network.config.channels == 1, network.convs
    y = graph("Reshape", x, np.array([-1, 1, 0, 0])) if grey else x  # 0: as it was
    for layer in others:
        y = graph("Relu", drawn(layer, graph, y))
    noise = drawn(last, graph, y)
    return graph("Sub", x, graph("Reshape", noise, np.array([-1, 3, 0, 0])) if grey else noise)


@drawn.register
def _(block: FarBlock, graph: Graph, x: str) -> str:
    first, second = block.mixing
    groups, far = block.config.norm == "groups", block.config.far
    y = x if groups else _norm_of_channels(block, graph, x)
    mixed = drawn(second, graph, graph("Mish", drawn(first, graph, y)))
    part = lambda a, b: graph("Slice", mixed, *(np.array([k]) for k in (a, b, 1)))
    y = drawn(block.far, graph, part(0, far))
    if block.config.width > far:
        y = graph.concatenated(y, part(far, block.config.width))
    if block.attention:
        y = graph("Mul", y, graph("Sigmoid", drawn(block.attention, graph, y)))
    y = drawn(block.refined, graph, y)
    return graph("Add", x, _norm_of_groups(block, graph, y) if groups else y)


def _scaled(block: FarBlock, graph: Graph, x: str) -> str:
    scale, bias = (array(part)[:, None, None] for part in (block.norm.scale, block.norm.bias))
    return graph("Add", graph("Mul", x, scale), bias)


def _norm_of_groups(block: FarBlock, graph: Graph, x: str) -> str:
    together = graph("Reshape", x, np.array([0, GROUPS, -1]))
    normed = graph("InstanceNormalization", together, np.ones(GROUPS), np.zeros(GROUPS), epsilon=EPSILON)
    return _scaled(block, graph, graph("Reshape", normed, graph("Shape", x)))


def _norm_of_channels(block: FarBlock, graph: Graph, x: str) -> str:
    off = graph("Sub", x, graph("ReduceMean", x, np.array([1])))
    variance = graph("ReduceMean", graph("Mul", off, off), np.array([1]))
    return _scaled(block, graph, graph("Div", off, graph("Sqrt", graph("Add", variance, block.norm.epsilon))))


@drawn.register
def _(network: Plksr, graph: Graph, x: str) -> str:
    y, scale = through(graph, (network.entry, *network.blocks, network.exit), x), network.config.scale
    return graph("Add", graph.unfold(y, scale), _larger(graph, x, scale))
