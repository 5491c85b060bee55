"""What every network's config says of it: all that a caller must know to put pictures through it."""

from typing import Any, ClassVar, Protocol, runtime_checkable

from flax import nnx

from zoo.errors import FlagError


@runtime_checkable
class NetworkConfig(Protocol):
    """A frozen dataclass whose fields are a network's settings. The network is an `nnx.Module` that has it as `config`:
    [n h w i] -> [n scale*h scale*w o], float32.

    A network sees the three channels of each frame, in time's order, and then one channel for each of `needs`. What it
    gives is a picture, and then one channel for each of `gives`.
    """

    @property
    def task(self) -> str:
        """What it is for: "denoise", "generate", "deinterlace", "upscale" ..."""
        ...

    @property
    def multiple(self) -> int:
        """Height and width must divide by it."""
        ...

    @property
    def halo(self) -> int | None:
        """The receptive field's radius in pixels of what goes in; None where a norm over the picture forbids tiling."""
        ...

    @property
    def scale(self) -> int:
        """How many times larger each side of the picture becomes."""
        ...

    @property
    def frames(self) -> tuple[int, int]:
        """How many frames before and after its own it looks at."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Channels that it sees beside the frames, such as "mask"."""
        ...

    @property
    def gives(self) -> tuple[str, ...]:
        """Channels that it gives beside the picture, such as "confidence"."""
        ...


@runtime_checkable
class ModelConfig(NetworkConfig, Protocol):
    """Of a network of the zoo, which it also builds."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def build(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with fresh weights."""
        ...


class OneToOne:
    """What a config need not say where one frame goes in and one of the same size comes out. A config for which that is
    not so has other values under these names: attributes of the class, which its card need not hold, or, for `scale`, a
    field."""

    scale = 1
    frames = (0, 0)
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


def channels(config: NetworkConfig) -> int:
    """How many channels the network sees."""
    return 3 * (1 + sum(config.frames)) + len(config.needs)


def check_task(name: str, config: NetworkConfig, task: str):
    """Raises FlagError for a network of another task."""
    if config.task != task:
        raise FlagError(f"{name} is a network for the task {config.task!r}; give one whose task is {task!r}")


def check_same_size(name: str, config: NetworkConfig):
    """Raises FlagError for a network whose output is more than a picture of the size that goes in, or that sees more
    than pictures."""
    more = [f"makes pictures {config.scale} times larger"] if config.scale != 1 else []
    more += [f"needs a {need} beside the picture" for need in config.needs]
    more += [f"gives a {gift} beside the picture" for gift in config.gives]
    if more:
        raise FlagError(f"{name} {more[0]}; give a network that takes pictures alone and keeps their size")
