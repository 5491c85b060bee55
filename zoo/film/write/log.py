"""The log beside a result: enough to do it again, and to prove years later that the result is what was made."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zoo import checked
from zoo.errors import InputError
from zoo.film.write.encode import Encoding

_MOST_BYTES = 1 << 32
_A_SUM = 16  # bytes of an MD5


@dataclasses.dataclass(frozen=True)
class Sums:
    """sha256 of files. Of pictures: of what `sha256sum` prints of them, in their order."""

    input: str | None  # None of a film that was cut, which was not read whole
    output: str
    weights: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Frames:
    """MD5 of each frame: `input`, `output` of its planes, before and after the network, in the order of display;
    `encoded` of what lies in the file, in the order in which it lies there: a packet, or a picture's whole file."""

    input: list[str]
    output: list[str]
    encoded: list[str]


@dataclasses.dataclass(frozen=True)
class Log:
    """What `zoo verify` needs of a log."""

    encoding: Encoding
    frames: int
    sha256: Sums
    framemd5: Frames
    numbers: list[int]  # of pictures; none of a film
    verified: bool  # whether the result was read again and compared when it was made
    more: dict[str, Any]


def path_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.json")


def write(
    path: Path,
    about: dict[str, Any],
    numbers: Iterable[int],
    before: Iterable[str],
    after: Iterable[str],
    encoded: bytes,
) -> None:
    """Writes a log, whose lists need not fit the memory. `encoded`: MD5s in a row."""
    each = (encoded[k : k + _A_SUM].hex() for k in range(0, len(encoded), _A_SUM))
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(about, indent=1, default=str).removesuffix("\n}"))
        file.write(',\n "numbers": [')
        file.writelines(_listed(numbers))
        file.write('],\n "framemd5": {\n  "input": [\n   ')
        file.writelines(_listed(before))
        file.write('\n  ],\n  "output": [\n   ')
        file.writelines(_listed(after))
        file.write('\n  ],\n  "encoded": [\n   ')
        file.writelines(_listed(each))
        file.write("\n  ]\n }\n}\n")


def _listed(values: Iterable[Any]) -> Iterator[str]:
    """The values as they stand in a list of JSON, a text on each line."""
    for k, value in enumerate(values):
        between = "" if k == 0 else ",\n   " if isinstance(value, str) else ", "
        yield f"{between}{json.dumps(value)}"


def read(output: Path) -> Log:
    """The log of a result. Raises InputError where there is none, or what lies there is none."""
    path = path_of(output)
    try:
        found = checked.read(path, Log, most=_MOST_BYTES)
    except FileNotFoundError:
        raise InputError(
            f"{output} has no log, {path.name}, to be checked against; `restore` writes one, which belongs beside it"
        ) from None
    if len(found.framemd5.output) != found.frames:
        raise InputError(f"{path} knows {len(found.framemd5.output)} of {found.frames} frames")
    return found
