"""Looks as files: .cube (Adobe's Cube LUT Specification 1.0, and both tables in one as Resolve writes them), and the
colour decision lists .cc, .ccc and .cdl (ASC CDL 1.2)."""

import hashlib
import importlib
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jax.numpy as jnp
import numpy as np

from zoo import bounds, files
from zoo.errors import FlagError, InputError
from zoo.looks.look import MOST_CUBE, MOST_CURVE, Cdl, Cube, Curves, Look, lattice

_MOST_BYTES = 1 << 28  # of a file: a cube of 129 has 130 MB in the longest of notations
_WORD = re.compile(r"[A-Z_][A-Z_0-9]*")
_CUBE_SIZE = 33  # of a cube that is made of a look without one
_SAMPLED_SIZE = 65  # of one that stands for a table of another kind
OTHERS = (".3dl", ".csp", ".spi1d", ".spi3d", ".vf", ".itx")  # which OpenColorIO reads, and which name no other file


def read(path: Path | str) -> Look:
    """The look in a file. Raises InputError for one that is no look, or a damaged one, and says where."""
    path = Path(path)
    kind = _kind(path, [*READERS, *OTHERS])
    bounds.check_regular(path, "look")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path} has {path.stat().st_size} bytes, more than any look; is it one?")
    if kind in OTHERS:
        return _sampled(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except PermissionError:
        raise InputError(f"{path}: no permission to read it") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text, as a look is; export it anew") from None
    return READERS[kind](path, text)


def write(path: Path | str, look: Look) -> None:
    """Writes a look, in one move: as a cube of what it does, or its colour decision list alone. Raises FlagError where
    the kind of file cannot hold it."""
    path = Path(path)
    files.write(path, WRITERS[_kind(path, WRITERS)](path, look))


def check_writable(path: Path | str) -> None:
    """Raises FlagError for a name under which no look can be written."""
    _kind(Path(path), WRITERS)


def sha256(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _kind(path: Path, kinds: Collection[str]) -> str:
    if path.suffix.lower() not in kinds:
        raise FlagError(f"{path} has no suffix of a look; the kinds are: {', '.join(kinds)}")
    return path.suffix.lower()


def _read_cube(path: Path, text: str) -> Look:
    words: dict[str, list[str]] = {}
    rows: list[list[str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if not parts or parts[0].startswith("#"):
            continue
        if _WORD.fullmatch(parts[0]):
            if rows:
                raise InputError(f"{path}, line {number}: {parts[0]} after the colours; the file is damaged")
            words[parts[0]] = parts[1:]
        elif len(parts) == 3:
            rows.append(parts)
        else:
            raise InputError(f"{path}, line {number}: a colour has three numbers, not {line.strip()[:40]!r}")
    try:
        colours = np.array(rows, np.float32).reshape(-1, 3)
    except ValueError:
        raise InputError(f"{path} holds a colour that is no number; the file is damaged") from None
    if not np.isfinite(colours).all():
        raise InputError(f"{path} holds a colour that is not finite; export it anew")
    curve = _side(path, words, "LUT_1D_SIZE", MOST_CURVE)
    cube = _side(path, words, "LUT_3D_SIZE", MOST_CUBE)
    if not (curve or cube):
        raise InputError(f"{path} says neither LUT_1D_SIZE nor LUT_3D_SIZE; it is no .cube, or damaged")
    if len(colours) != curve + cube**3:
        raise InputError(f"{path} has {len(colours)} colours, not the {curve + cube**3} that it says; it is damaged")
    table = colours[curve:].reshape(cube, cube, cube, 3).transpose(2, 1, 0, 3)  # in the file red runs fastest
    return Look(
        curves=Curves(colours[:curve], *_domain(path, words, "LUT_1D_INPUT_RANGE")) if curve else None,
        cube=Cube(np.ascontiguousarray(table), *_domain(path, words, "LUT_3D_INPUT_RANGE")) if cube else None,
        title=" ".join(words.get("TITLE", [])).strip('"'),
    )


def _side(path: Path, words: dict[str, list[str]], word: str, most: int) -> int:
    """What a word gives for a table's size; 0 where it is not there."""
    if word not in words:
        return 0
    given = "".join(words[word])
    if not (given.isdecimal() and 2 <= int(given[:9]) <= most):
        raise InputError(f"{path}: {word} must be 2 to {most}, not {given[:20]!r}")
    return int(given)


def _domain(path: Path, words: dict[str, list[str]], ranged: str) -> tuple[Any, Any]:
    """Where a table begins and ends, of each channel: Resolve's word, or Adobe's."""
    try:
        if ranged in words:
            low, high = (float(x) for x in words[ranged])
            found = (low,) * 3, (high,) * 3
        else:
            corner = lambda word, value: tuple(float(x) for x in words.get(word, [value] * 3))
            found = corner("DOMAIN_MIN", "0"), corner("DOMAIN_MAX", "1")
    except ValueError:
        found = (), ()
    if [len(x) for x in found] != [3, 3] or not np.isfinite(found).all() or (np.array(found[0]) >= found[1]).any():
        raise InputError(f"{path}: its domain is none; three numbers must each be below those of the other end")
    return found


def _cube_text(path: Path, look: Look) -> str:
    """A cube of all that the look does, seven decimals, red fastest."""
    only = look.cube if look.cube and not (look.cdl or look.curves) else None
    colours = np.asarray(look(jnp.asarray(lattice(_CUBE_SIZE)))) if only is None else only.table
    low, high = ((0.0,) * 3, (1.0,) * 3) if only is None else (only.low, only.high)
    lines = [f'TITLE "{look.title}"'] if look.title else []
    lines += [f"LUT_3D_SIZE {len(colours)}"]
    lines += [f"DOMAIN_{word} " + " ".join(f"{x:.7g}" for x in at) for word, at in (("MIN", low), ("MAX", high))]
    flat = colours.transpose(2, 1, 0, 3).reshape(-1, 3)
    return "\n".join([*lines, *(f"{r:.7f} {g:.7f} {b:.7f}" for r, g, b in flat.tolist())]) + "\n"


def _sampled(path: Path) -> Look:
    """A table of another kind, as OpenColorIO reads it, at the corners of a cube."""
    try:
        ocio: Any = importlib.import_module("PyOpenColorIO")
    except ImportError:
        raise FlagError(f"{path}: reading {path.suffix} takes OpenColorIO: pip install 'filmzoo[color]'") from None
    try:
        transform = ocio.FileTransform(src=str(path.resolve()), interpolation=ocio.INTERP_BEST)
        processor = ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
    except ocio.Exception as e:
        raise InputError(f"{path} is damaged or no table that OpenColorIO reads: {e}") from None
    colours = np.ascontiguousarray(lattice(_SAMPLED_SIZE).reshape(-1, 3))
    processor.applyRGB(colours)
    if not np.isfinite(colours).all():
        raise InputError(f"{path} gives colours that are not finite; export it anew")
    return Look(cube=Cube(colours.reshape((_SAMPLED_SIZE,) * 3 + (3,))), title=path.stem)


def _read_cdl(path: Path, text: str) -> Look:
    if re.search("<!(DOCTYPE|ENTITY)", text):  # entities could name other files, or grow without end
        raise InputError(f"{path} has a document type, which no colour decision list needs; take it out")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as e:
        raise InputError(f"{path} is no XML, as a colour decision list is: {e}") from None
    corrections = [node for node in root.iter() if _tag(node) == "ColorCorrection"]
    if len(corrections) != 1:
        raise InputError(f"{path} holds {len(corrections)} corrections; a look is one of them in a file of its own")
    told = {_tag(node): (node.text or "").split() for node in corrections[0].iter()}
    try:
        given: dict[str, Any] = {
            k.lower(): tuple(map(float, told[k])) for k in ("Slope", "Offset", "Power") if k in told
        }
        saturation = [float(x) for x in told.get("Saturation", ["1"])]
        if any(len(values) != 3 for values in given.values()) or len(saturation) != 1:
            raise ValueError
        cdl = Cdl(**given, saturation=saturation[0])
    except ValueError as e:
        why = f": {e}" if isinstance(e, FlagError) else "; each has three numbers, the saturation one"
        raise InputError(f"{path} has a slope, an offset, a power or a saturation that cannot be{why}") from None
    return Look(cdl=cdl, title=corrections[0].get("id", ""))


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _cdl_text(path: Path, look: Look) -> str:
    if look.cdl is None or look.curves or look.cube:
        raise FlagError(f"{path.name} holds a colour decision list alone, and the look is more; write a .cube")
    numbers = lambda values: " ".join(f"{x:.7g}" for x in values)
    sop = "".join(
        f"<{word}>{numbers(values)}</{word}>"
        for word, values in (("Slope", look.cdl.slope), ("Offset", look.cdl.offset), ("Power", look.cdl.power))
    )
    node = ElementTree.Element("ColorCorrection", {"id": look.title or path.stem})
    node.append(ElementTree.fromstring(f"<SOPNode>{sop}</SOPNode>"))
    node.append(ElementTree.fromstring(f"<SatNode><Saturation>{look.cdl.saturation:.7g}</Saturation></SatNode>"))
    for outer in {".cc": (), ".ccc": ("ColorCorrectionCollection",), ".cdl": ("ColorDecision", "ColorDecisionList")}[
        path.suffix.lower()
    ]:
        parent = ElementTree.Element(outer)
        parent.append(node)
        node = parent
    if path.suffix.lower() != ".cc":
        node.set("xmlns", "urn:ASC:CDL:v1.01")
    return ElementTree.tostring(node, encoding="unicode", xml_declaration=True) + "\n"


READERS: dict[str, Callable[[Path, str], Look]] = {".cube": _read_cube} | dict.fromkeys(
    (".cc", ".ccc", ".cdl"), _read_cdl
)
WRITERS: dict[str, Callable[[Path, Look], str]] = {".cube": _cube_text} | dict.fromkeys(
    (".cc", ".ccc", ".cdl"), _cdl_text
)
