"""What every network's config says of it: all that a caller must know to put pictures through it."""

from typing import Protocol, runtime_checkable

from flax import nnx


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


class ModelConfig(NetworkConfig, Protocol):
    """Of a network of the zoo, which it also builds."""

    def build(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network with fresh weights."""
        ...


class OneToOne:
    """What a config need not say where one frame goes in and one of the same size comes out. A network for which that
    is not so has other values under these names."""

    scale = 1
    frames = (0, 0)
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


def channels(config: NetworkConfig) -> int:
    """How many channels the network sees."""
    return 3 * (1 + sum(config.frames)) + len(config.needs)


def beyond(config: NetworkConfig) -> str:
    """What the network does beyond one frame in and one of the same size out, as a verb and its object; "" for
    nothing."""
    if sum(config.frames):
        return f"looks at {1 + sum(config.frames)} frames"
    if config.scale != 1:
        return f"makes pictures {config.scale} times larger"
    if config.needs:
        return f"needs a {config.needs[0]} beside the picture"
    return f"gives a {config.gives[0]} beside the picture" if config.gives else ""
