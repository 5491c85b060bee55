"""A network as an ONNX file: RGB [n 3 h w] in [0, 1] to the same, `scale` times as high and as wide."""

import math
from importlib.metadata import version
from os import PathLike
from typing import Any

from zoo import registry
from zoo.errors import FlagError
from zoo.export import community  # noqa: F401 - which draws other people's networks
from zoo.export.draw import drawn
from zoo.export.graph import IR_VERSION, OPSET, Graph, library
from zoo.models.network import NetworkConfig

TASKS = ("denoise", "upscale")
WHOLE = "whole pictures only"


def made(name: str | PathLike[str]) -> bytes:
    """The ONNX file of a model of the zoo, of a run's folder or of a file of weights. Raises FlagError for a network
    that needs more than one picture."""
    config = registry.config_of(name)
    check(str(name), config)
    return of(registry.load(name), facts(name, config))


def of(network: Any, about: dict[str, str]) -> bytes:
    """The ONNX file of a network in evaluation mode, with facts about it."""
    graph, config = Graph(), network.config
    helper, float32 = graph.helper, library().TensorProto.FLOAT
    output = graph("Clip", drawn(network, graph, "input"), 0.0, 1.0)
    times = "" if config.scale == 1 else f"{config.scale} * "
    shown = lambda value, times: helper.make_tensor_value_info(
        value, float32, ["pictures", 3, f"{times}height", f"{times}width"]
    )
    drawing = helper.make_graph(
        graph.nodes, "filmzoo", [shown("input", "")], [shown(output, times)], initializer=graph.constants
    )
    model = helper.make_model(
        drawing,
        producer_name="filmzoo",
        producer_version=version("filmzoo"),
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, about)
    library("onnx.checker").check_model(model)
    return model.SerializeToString()


def check(name: str, config: NetworkConfig) -> None:
    """Raises FlagError for a network that needs more than one picture."""
    if config.task not in TASKS:
        raise FlagError(
            f"{name} is a network for the task {config.task!r}, which takes more than a picture; export one for "
            f"{' or '.join(TASKS)}"
        )
    if sum(config.frames):
        raise FlagError(
            f"{name} looks at {1 + sum(config.frames)} frames, which programs that read ONNX files do not give it; "
            "export a network of one frame"
        )


def facts(name: str | PathLike[str], config: NetworkConfig) -> dict[str, str]:
    """What a program must know to put pictures through it, as the file's metadata has it."""
    about = registry.card(name)
    overlap = WHOLE if config.halo is None else str(math.ceil(config.halo / config.multiple) * config.multiple)
    return {
        "model": str(about["model"]),
        "task": config.task,
        "layout": "NCHW, RGB",
        "range": "[0, 1]",
        "multiple": str(config.multiple),
        "overlap": overlap,
        "scale": str(config.scale),
        "licence": str(about.get("licence") or "not stated"),
        "sha256": str(about["sha256"]),
    }
