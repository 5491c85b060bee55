"""`filmzoo verify`: whether a restored film is still what was written."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro


@dataclasses.dataclass(frozen=True)
class Verify:
    """Say whether a restored film is still what was written, by the log beside it; if not, which frame differs."""

    film: Annotated[str, tyro.conf.Positional]
    """A film that `restore` wrote, or its numbered pictures such as frame.%%06d.dpx."""


def run(args: Verify) -> int:
    """Says whether a result is what its log says was made; returns the exit code."""
    from zoo.film.write import verify

    print(f"{args.film}: {verify.again(Path(args.film))} frames, as they were written")
    return 0
