"""What steps lay aside, such as a mask, written as a film of its own: grey, with the times of the restored one."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from zoo.chain import Chain
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film import formats
from zoo.film.formats import Tags
from zoo.film.presentation import Presentation
from zoo.film.read import sequence
from zoo.film.read.source import PIPE, Film
from zoo.film.write import containers, encode
from zoo.film.write.encode import Encoding

Give = Sequence[tuple[str, Path]]  # (what a step gives, the film or the pictures to write)


@dataclasses.dataclass(frozen=True)
class Output:
    """A film, or numbered pictures, to write. `name`: of what steps lay aside; none for what is restored."""

    name: str
    film: Film
    path: Path
    encoding: Encoding

    @property
    def is_pictures(self) -> bool:
        return self.encoding.encoder == sequence.CONTAINER


def check(chain: Chain, give: Give, output: Path) -> None:
    """Raises FlagError for what no step of the chain gives, and for a film that is not written into a file."""
    for k, (name, path) in enumerate(give):
        if name not in chain.gives:
            gives = f"what is given is: {', '.join(chain.gives)}" if chain.gives else "leave --give out"
            raise FlagError(f"--give {name}={path}: no step of {chain} gives {name!r}; {gives}")
        if any(name == other for other, _ in give[:k]):
            raise FlagError(f"--give names {name} twice; write it once")
        if str(output) == PIPE:
            raise FlagError(
                f"--give {name}={path} needs a film in a file, not y4m on standard output; name one with -o"
            )
        if str(path) == PIPE:
            raise FlagError(f"--give {name}={path}: only the restored film goes to standard output; name a file")


def outputs(restored: Film, give: Give) -> tuple[Output, ...]:
    """How all that is given is written beside the film `restored`. Raises FlagError for a kind of file that cannot hold
    it."""
    return tuple(_output(restored, name, path) for name, path in give)


def _output(restored: Film, name: str, path: Path) -> Output:
    # Nothing is copied into it: `container` says so of a film. Pictures would be looked for under its name.
    own = {"name": str(path), "container": "" if sequence.is_pattern(path) else sequence.CONTAINER, "stream": 0}
    grey = {"layout": Layout("grey", 8, full=True), "planar": "gray", "pixel_format": "gray", "guesses": ()}
    said = {"tags": Tags(range=formats.FULL), "presentation": Presentation(crop=restored.presentation.crop)}
    film = dataclasses.replace(restored, **own, **grey, **said)
    try:
        encoding, _ = encode.choose(film, path, None, None, {})
        output = Output(name, film, path, encoding)
        if not output.is_pictures:
            containers.check(film, encoding, path, frozenset())
    except FlagError:
        if path.suffix.lower() not in encode.SUFFIXES:
            raise
        size = f"{film.width}x{film.height} px at {float(film.rate):.6g} frames a second"
        raise FlagError(f"--give {name}={path}: {path.suffix} cannot hold grey {size}; name a .mkv") from None
    return output


def notes(given: Sequence[Output]) -> list[str]:
    """What of the restored film has no place beside it, in sentences without their full stops."""
    unsaid = [(out, encode.unsaid(dataclasses.replace(out.film, tags=Tags()), out.encoding, out.path)) for out in given]
    return [f"{out.path} cannot say of the film: {', '.join(words)}; .mkv can" for out, words in unsaid if words]
