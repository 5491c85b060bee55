"""`restore` for still pictures: which files are read and written, and the loop over them."""

import dataclasses
import glob
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress

from zoo import files, flags, pictures
from zoo.budget import Budget
from zoo.chain import Chain
from zoo.commands.restore.flags import Restore, chain_of
from zoo.errors import FlagError, InputError, ZooError, say, visible
from zoo.memory import keep_freed
from zoo.pictures import Picture
from zoo.restorer import Restorer
from zoo.steps.denoise import Denoise
from zoo.steps.step import Kind

Restoring = Callable[..., np.ndarray]  # (samples, progress=...)
# All others are for films.
_FLAGS = {"inputs", "model", "steps", "preset", "output", "yes", "tile", "precision", "dry_run", "max_pixels"}


def restore(args: Restore) -> int:
    """Restores the pictures that `args` name; returns the exit code."""
    flags.refuse(args, {*flags.given(args)} - _FLAGS, "still pictures")
    chain = Chain(chain_of(args))
    chain.kinds(Kind(1, 1, still=True))  # what a still cannot have is said before any work
    jobs = plan(args)
    if args.dry_run:
        planned = {str(source): str(target) for source, target in jobs}
        weights = {"sha256": {"weights": chain.weights}, "tile": args.tile, "precision": args.precision}
        print(json.dumps({"steps": str(chain)} | weights | {"files": planned}, indent=1))
        return 0

    keep_freed()
    failed = _restore_all(_restorer(args, chain), jobs)
    if failed and len(jobs) == 1:
        raise failed[0]
    for problem in failed:
        say(f"error: {problem}")
    if failed:
        raise ZooError(f"{len(failed)} of {len(jobs)} pictures could not be restored")
    return 0


def _restorer(args: Restore, chain: Chain) -> Restoring:
    if args.model and isinstance(chain.steps[0], Denoise) and not any(chain.steps[0].reach):  # shares it among devices
        return Restorer(args.model, tile=args.tile, precision=args.precision)
    budget = Budget(tile=args.tile, precision=args.precision)
    return lambda samples, progress: chain(samples, budget=budget)


def plan(args: Restore) -> list[tuple[Path, Path]]:
    """(source, target) for every picture. Raises, before any work is done, for whatever must not be written."""
    if not args.inputs:
        raise FlagError("name a picture, a folder or a glob to restore")
    roots = {path: _root(pattern) for pattern in args.inputs for path in pictures.find(pattern)}  # each picture once
    if args.output is None:
        targets = {source: _writable(source.with_stem(f"{source.stem}_restored")) for source in roots}
        earlier = set(targets.values())  # results of an earlier run in the same folder are no sources
        targets = {s: t for s, t in targets.items() if s not in earlier}
    elif _is_folder(args, len(roots)):
        folder = Path(args.output)
        targets = {
            s: _writable(folder / s.relative_to(root)) for s, root in roots.items() if not _within(s, root, folder)
        }
        for target in targets.values():
            files.check_within(target, folder)
    else:
        pictures.check_writable(args.output)
        targets = {source: Path(args.output) for source in roots}
    _check_targets(targets, args.yes)
    return list(targets.items())


def _root(pattern: str) -> Path:
    """The folder below which sub-folders are kept: a glob's is what comes before its first wildcard."""
    path = Path(pattern)
    if path.is_file():
        return path.parent
    return path if path.is_dir() else Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))


def _within(source: Path, root: Path, folder: Path) -> bool:
    """Whether a search below `root` found `source` in the output folder: a result of an earlier run."""
    return root.resolve() in folder.resolve().parents and folder.resolve() in source.resolve().parents


def _is_folder(args: Restore, count: int) -> bool:
    """Whether the output is a folder rather than a file."""
    output = Path(args.output or "")
    if output.is_dir() or str(args.output).endswith(("/", os.sep)):
        return True
    several = count > 1 or any(Path(i).is_dir() for i in args.inputs)
    if several and (output.suffix or output.exists()):
        raise FlagError(
            f"the output {output} names a file, but the input is a folder or several pictures; end it with /"
        )
    return several


def _writable(path: Path) -> Path:
    """The same name; as a PNG where the suffix names no kind that can be written (BMP, or none at all)."""
    return path if path.suffix.lower() in pictures.WRITABLE else path.with_suffix(".png")


def _check_targets(targets: dict[Path, Path], overwrite: bool) -> None:
    originals = {source.resolve() for source in targets}
    taken: dict[Path, Path] = {}
    for source, target in targets.items():
        files.check_free(target, originals, overwrite=overwrite)
        if target in taken:
            raise FlagError(f"{taken[target]} and {source} would both become {target}; restore them in two runs")
        taken[target] = source


def _restore_all(restore: Restoring, jobs: list[tuple[Path, Path]]) -> list[ZooError]:
    """Restores every picture that can be; returns what went wrong with the others."""
    failed, console = [], Console(stderr=True)
    bar = Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console)
    bar.disable = not console.is_terminal
    with bar:
        line = bar.add_task("", total=len(jobs))
        for i, (source, target) in enumerate(jobs):
            bar.update(line, completed=i, description=escape(visible(source.name)))
            try:
                _restore_one(restore, source, target, lambda n, of, i=i: bar.update(line, completed=i + n / of))
            except ZooError as e:
                failed.append(type(e)(str(e) if str(source) in str(e) else f"{source}: {e}"))
            else:
                if bar.disable:
                    say(f"{i + 1}/{len(jobs)} {source} -> {target}")
        bar.update(line, completed=len(jobs))
    return failed


def _restore_one(restore: Restoring, source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    try:
        picture = pictures.read(source)
    except PermissionError:
        raise InputError(f"{source}: no permission to read it") from None
    pictures.check_writable(target, picture)  # before the long work
    for note in _notes(picture, target):
        say(f"note: {source}: {note}")
    samples = _restored(restore, picture.samples, progress)
    if samples.shape != picture.samples.shape and (picture.window or picture.others):
        picture = pictures.of_no_size(picture)
        say(f"note: {source}: not kept at another size: {', '.join(picture.left)}")
    picture = dataclasses.replace(picture, samples=samples)
    files.make_folder(target.parent)
    pictures.write(target, picture)


def _notes(picture: Picture, target: Path) -> Iterator[str]:
    """What does not come through, or not changed, in sentences."""
    if left := pictures.left_out(target, picture):
        yield f"not kept in {target.name}: {', '.join(left)}"
    if share := _outside(picture.samples).mean():
        yield f"{share:.1%} of its samples lie outside [0, 1] and are kept as they are; white is 1"


def _restored(restore: Restoring, samples: np.ndarray, progress: Callable[[int, int], None]) -> np.ndarray:
    """What lies outside [0, 1] is moved by as much as the network moves what lies at its edge, and not cut, unless the
    picture comes back in another size."""
    outside = _outside(samples)
    if not outside.any():
        return restore(samples, progress=progress)
    inside = samples.copy()
    colour = inside[..., : outside.shape[-1]]
    np.clip(colour, 0, 1, out=colour)
    restored = restore(inside, progress=progress)
    if restored.shape != samples.shape:
        return restored
    changed = restored[..., : outside.shape[-1]]
    changed[outside] = samples[..., : outside.shape[-1]][outside] + (changed - colour)[outside]
    return restored


def _outside(samples: np.ndarray) -> np.ndarray:
    """Which samples of colour no network has seen; none that are no numbers, which it refuses."""
    colour = samples[..., : 1 if samples.shape[-1] < 3 else 3]
    if samples.dtype.kind != "f":
        return np.zeros(colour.shape, bool)
    return np.isfinite(colour) & ((colour < 0) | (colour > 1))
