"""What a film is, in words and numbers, and what its first frames carry."""

import dataclasses
import itertools
from typing import Any

import av

from zoo.film.read import carried
from zoo.film.read.decoding import Losses, decoded, opened, picture_stream
from zoo.film.read.source import Film


def carries(name: str) -> tuple[str, ...]:
    """What lies in a film's first frames beside their samples and is not written again."""
    with opened(name) as container:
        frames = decoded(container, picture_stream(container, name), Losses())
        return tuple(sorted(set().union(*map(carried.of, itertools.islice(frames, carried.FIRST)))))


def facts(film: Film) -> dict[str, Any]:
    """The film and every stream in its file, for JSON."""
    about = dataclasses.asdict(film) | {"frames (about)": film.expected}
    if film.alone:
        return about
    with opened(film.name) as container:
        about["streams"] = [
            {
                "index": s.index,
                "type": s.type,
                "codec": s.codec_context.codec.name if s.codec_context else None,
                "language": s.metadata.get("language"),
                "title": s.metadata.get("title"),
            }
            for s in container.streams
        ]
        about["chapters"] = len(container.chapters())
        about["seconds"] = container.duration / av.time_base if container.duration else None
        about["metadata"] = dict(container.metadata)
    return about | {"in its pictures": carries(film.name)}
