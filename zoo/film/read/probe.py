"""What a film is, in words and numbers, and what its first frames show."""

import dataclasses
import itertools
from typing import Any

import av
import av.filter
from av.error import FFmpegError

from zoo.film.read import carried
from zoo.film.read.decoding import Losses, decoded, opened, picture_stream
from zoo.film.read.source import Film

_SHARE = 0.3  # of the frames must look woven


@dataclasses.dataclass(frozen=True)
class Beginning:
    """What a film's first frames show. `woven`: the order of the fields that FFmpeg's idet finds them woven of, "top
    first" or "bottom first". `carried`: what lies in them beside their samples and is not written again."""

    woven: str | None
    carried: tuple[str, ...]


def beginning(name: str) -> Beginning:
    """Looks at the first frames of a film."""
    found, carries = {}, set()
    with opened(name) as container:
        stream = picture_stream(container, name)
        graph = av.filter.Graph()
        graph.link_nodes(graph.add_buffer(template=stream), graph.add("idet"), graph.add("buffersink")).configure()
        for frame in itertools.islice(decoded(container, stream, Losses()), carried.FIRST):
            carries |= carried.of(frame)
            try:
                graph.push(frame)
                found = _counts(graph.pull())
            except (FFmpegError, ValueError):  # it looks one frame ahead, or does not take the pixel format
                continue
    total = sum(found.values())
    woven = {name: found.get(key, 0) for name, key in (("top first", "tff"), ("bottom first", "bff"))}
    order = max(woven, key=lambda name: woven[name])
    return Beginning(order if total and woven[order] > _SHARE * total else None, tuple(sorted(carries)))


def _counts(frame: Any) -> dict[str, int]:
    counts = {}
    for key in ("tff", "bff", "progressive", "undetermined"):
        counts[key] = int(float(frame.metadata.get(f"lavfi.idet.multiple.{key}", 0)))
    return counts


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
    first = beginning(film.name)
    return about | {"woven from fields": first.woven, "in its pictures": first.carried}
