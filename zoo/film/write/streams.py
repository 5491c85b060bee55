"""The streams of a film beside its pictures: which of them are copied, and what they say of themselves."""

import contextlib
from pathlib import Path
from typing import Any

from zoo.film.read.decoding import opened
from zoo.film.read.source import Film
from zoo.film.write import recast

KINDS = ("audio", "subtitle", "attachment", "data", "video", "chapters")  # what can be left out; video: covers
_OWN_TAGS = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}
# Languages of which FFmpeg knows QuickTime's number by one of their two codes alone.
_QUICKTIME = {
    "bod": "tib", "cym": "wel", "cze": "ces", "deu": "ger", "ell": "gre", "eus": "baq", "fas": "per", "fre": "fra",
    "hye": "arm", "isl": "ice", "kat": "geo", "mkd": "mac", "msa": "may", "mya": "bur", "nld": "dut", "rum": "ron",
    "slo": "slk", "sqi": "alb", "swe": "sve", "zho": "chi",
}  # fmt: skip


def others(film: Film) -> list[str]:
    """The kinds of streams that the film has beside its pictures."""
    with everything(film) as source:
        return sorted({s.type for s in kept(source, film, frozenset())})


def everything(film: Film) -> Any:
    """The film's file, or None where there is nothing in it to copy."""
    return contextlib.nullcontext() if film.alone else opened(film.name)


def kept(source: Any, film: Film, drop: frozenset[str]) -> list[Any]:
    """The other streams that are copied. Not QuickTime's timecode and titles of chapters: they are written anew, from
    the pictures' tag and the chapters."""
    others = [s for s in (source.streams if source else ()) if s.index != film.stream and s.type not in drop]
    return [s for s in others if not (timecode(s) or _titles(s))]


def _titles(stream: Any) -> bool:
    """Whether a stream is QuickTime's text of chapters, which is data without a codec."""
    nameless = stream.type == "data" and getattr(stream, "codec_context", None) is None
    return nameless and "mov" in stream.container.format.name and bool(stream.container.chapters())


def timecode(stream: Any) -> str | None:
    """What QuickTime's stream of timecode says; None of any other."""
    return stream.metadata.get("timecode") if stream.type == "data" else None


def copied(out: Any, stream: Any) -> Any:
    """A stream of the output that holds what `stream` does. Raises ValueError where it has no place for it."""
    if recast.is_cover(stream) and not recast.takes_cover(out, stream):
        raise ValueError("no place for this cover")
    if recast.is_cover(stream) and out.format.name == "matroska":
        copy = recast.attached(out, stream)
        copy.metadata.update(tags(stream, out) | dict(copy.metadata))
        return copy
    if codec := recast.text(out, stream):
        copy = recast.encoder(out, stream, codec)
    else:
        copy = out.add_stream_from_template(stream, opaque=True)  # no encoder of its codec is needed
    copy.metadata.update(tags(stream, out))
    copy.disposition = stream.disposition
    if out.format.name in ("mp4", "mov") and stream.type == "audio" and stream.codec_context:
        _name_channels(copy.codec_context)
    return copy


def _name_channels(context: Any):
    """Gives sound of so many channels, which is all that Matroska may say of them, their usual places."""
    count = context.layout.nb_channels
    if context.layout.name == f"{count} channels":
        context.layout = f"{count}c"


def tags(stream: Any, out: Any) -> dict[str, str]:
    """A stream's own words, as the file `out` takes them."""
    said = own(stream.metadata)
    if out.format.name == "mov" and (language := said.get("language")):
        said["language"] = _QUICKTIME.get(language, language)
    return said


def own(words: dict[str, str]) -> dict[str, str]:
    """The words of a file or a stream without those that whoever writes a file says of itself."""
    return {k: v for k, v in words.items() if k.lower() not in _OWN_TAGS}


def format_of(output: Path) -> str:
    """FFmpeg's name for the kind of file."""
    with_name = {".mkv": "matroska", ".m4v": "mp4", ".ts": "mpegts"}
    return with_name.get(output.suffix.lower(), output.suffix[1:].lower())
