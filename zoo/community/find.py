"""The network that a file of other people's weights is for, found by the names of its arrays."""

import dataclasses
import functools
import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

from zoo.community import weights
from zoo.errors import InputError
from zoo.models.community.compact import COMPACT
from zoo.models.community.dncnn import DNCNN
from zoo.models.community.esrgan import ESRGAN
from zoo.models.community.family import Arrays, Family
from zoo.models.community.plksr import PLKSR
from zoo.models.community.span import SPAN
from zoo.models.network import ModelConfig

FAMILIES: tuple[Family, ...] = (ESRGAN, COMPACT, SPAN, PLKSR, DNCNN)


class _Seen(dict):
    """Arrays that know which of them were asked for."""

    def __init__(self, arrays: Arrays):
        super().__init__(arrays)
        self.left = set(arrays)

    def __getitem__(self, name: str) -> Any:
        self.left.discard(name)
        return super().__getitem__(name)


class Described(NamedTuple):
    """What a file is."""

    config: ModelConfig
    card: dict[str, Any]


def is_weights(name: str | os.PathLike[str]) -> bool:
    """Whether a name is a file of weights."""
    path = Path(name)
    return path.suffix.lower() in weights.SUFFIXES and path.is_file()


def describe(path: Path) -> Described:
    """What a file is, of which nothing large is kept. Raises InputError where it cannot be used."""
    about = path.stat()
    return _described(path, about.st_size, about.st_mtime_ns)


@functools.lru_cache(8)
def _described(path: Path, size: int, changed: int) -> Described:
    return read(path)[0]


def terms(path: Path) -> str:
    """On whose terms the weights of a file may be used, in a sentence."""
    about = describe(path).card
    if licence := about["licence"]:
        return f"{path.name} ({about['network']}) states its licence: {licence}"
    return f"{path.name} ({about['network']}) states no licence; look where it came from whether you may use it"


def read(path: Path) -> tuple[Described, Arrays]:
    """What a file is, and its arrays by the names that the network has for them."""
    found = weights.read(path)
    family = _family(found.arrays, path)
    given = _Seen(found.arrays)
    try:
        config = family.config(given)
        arrays = family.weights(given, config)
    except KeyError as e:
        raise InputError(f"{path} is no whole {family.name}: {str(e)[:80]} is missing; fetch it again") from None
    except (ValueError, IndexError) as e:
        raise InputError(f"{path} looks like {family.name}, but its arrays do not fit that: {e}") from None
    if left := sorted(name for name in given.left if not any(part in name for part in family.unused)):
        raise InputError(f"{path} looks like {family.name}, but has more than that, such as {left[0][:60]}")
    about = {
        "model": path.stem,
        "network": family.name,
        "config": dataclasses.asdict(config),  # type: ignore[call-overload] - every config is a dataclass
        "weights": path.name,
        "sha256": hashlib.sha256(found.data).hexdigest(),
        "licence": found.licence,
    }
    return Described(config, about), arrays


def _family(arrays: Arrays, path: Path) -> Family:
    for family in FAMILIES:
        if any(all(key in arrays for key in keys) for keys in family.keys):
            return family
    known = ", ".join(family.name for family in FAMILIES)
    raise InputError(
        f"{path} is for a network that filmzoo does not have (it holds {min(arrays)[:60]}); known: {known}"
    )
