"""What a film is, in words and numbers, and whether its frames are woven from fields."""

import dataclasses
import itertools
from typing import Any

import av
import av.filter
from av.error import FFmpegError

from zoo.film.source import Film, Losses, decoded, opened, picture_stream

_LOOKED_AT = 60  # frames
_SHARE = 0.3  # of them must look woven


def interlaced(name: str) -> str | None:
    """ "top first" or "bottom first" where FFmpeg's idet finds that the film's first frames are woven from fields."""
    with opened(name) as container:
        stream = picture_stream(container, name)
        graph = av.filter.Graph()
        graph.link_nodes(graph.add_buffer(template=stream), graph.add("idet"), graph.add("buffersink")).configure()
        found: dict[str, int] = {}
        for frame in itertools.islice(decoded(container, stream, Losses()), _LOOKED_AT):
            try:
                graph.push(frame)
                found = _counts(graph.pull())
            except BlockingIOError:  # it looks one frame ahead
                continue
            except (FFmpegError, ValueError):  # it does not take the pixel format
                return None
    total = sum(found.values())
    woven = {name: found.get(key, 0) for name, key in (("top first", "tff"), ("bottom first", "bff"))}
    order = max(woven, key=lambda name: woven[name])
    return order if total and woven[order] > _SHARE * total else None


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
    return about | {"woven from fields": interlaced(film.name)}
