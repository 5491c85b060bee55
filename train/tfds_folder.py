"""Prepares a folder of pictures as a TFDS data set, and opens what is prepared: array_record files, no TensorFlow.

`python -m train.tfds_folder FOLDER --name flickr30k` once; after that `--data=tfds:flickr30k` reads it, here and, with
TFDS alone, anywhere else. Nothing is downloaded.
"""

import dataclasses
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, cast

import absl.logging
import numpy as np
import tensorflow_datasets as tfds
import tyro
from PIL import Image
from tensorflow_datasets.core import constants, read_only_builder
from tensorflow_datasets.core.utils import error_utils

from train.loop import features
from zoo import pictures
from zoo.errors import FlagError, InputError, command, say
from zoo.files import check_folder, make_folder
from zoo.flags import check_names

Skipped = list[tuple[str, str]]  # (file, reason)


class _Folder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of the builders that `prepare` makes: `files` become the split `train`, in that order."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, files: list[Path], root: Path, skipped: Skipped, **options):
        self._files, self._root, self._skipped = files, root, skipped
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        held = {"image": tfds.features.Image(shape=(None, None, 3)), "name": tfds.features.Text()}
        return tfds.core.DatasetInfo(
            builder=self,
            description="A folder of pictures.",
            features=tfds.features.FeaturesDict(held),
            disable_shuffling=True,  # else they are stored in the order of a hash
        )

    def _split_generators(self, dl_manager) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        for file in self._files:
            name = file.relative_to(self._root).as_posix()
            try:
                image = _encoded(file)
            except InputError as e:
                self._skipped.append((name, str(e)))
                continue
            yield number, {"image": image, "name": name}
            number += 1


def prepare(folder: str | Path, *, name: str, data_dir: str | Path | None = None) -> tuple[int, Skipped]:
    """Prepares the pictures of `folder` as the data set `name` under `data_dir` (TFDS's own folder where None).

    Returns how many there are, and the files that could not be read. Raises FlagError for a name that cannot be or that
    is taken, InputError where nothing can be read; then no data set is left behind, though folders may be.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise FlagError(f"--name={name} must be of small letters, digits and _, as flickr30k")
    where = Path(_given(data_dir) or constants.DATA_DIR).expanduser()
    check_folder(where, "--data-dir")
    files = pictures.find(folder)
    make_folder(where)
    root = Path(folder) if Path(folder).is_dir() else files[0].parent
    skipped: Skipped = []
    kind = type(name, (_Folder,), {"name": name, "__module__": __name__}, skip_registration=True)
    builder = kind(files=files, root=root, skipped=skipped, data_dir=_given(data_dir), file_format="array_record")
    if builder.is_prepared():
        raise FlagError(f"{builder.data_path} exists already; remove it or choose another --name")
    try:
        builder.download_and_prepare()
    except AssertionError as e:  # so TFDS says that there was nothing to write
        if len(skipped) < len(files):
            raise
        raise InputError(f"none of the {len(files)} pictures in {folder} can be read: {skipped[0][1]}") from e
    return builder.info.splits["train"].num_examples, skipped


def _encoded(file: Path) -> bytes:
    """The picture as JPEG or PNG bytes of 8-bit upright RGB: the file's own where it is that, else a new PNG."""
    picture = pictures.read(file)  # the whole of it, so that what is stored can be read
    if picture.samples.dtype == np.uint8:  # Pillow cannot open all that has more bits
        with Image.open(file) as image:
            plain = image.mode == "RGB" and not image.has_transparency_data and image.getexif().get(274, 1) == 1
            if plain and image.format in ("JPEG", "PNG"):
                return file.read_bytes()
    buffer = io.BytesIO()
    Image.fromarray(pictures.rgb8(picture)).save(buffer, "PNG")
    return buffer.getvalue()


def open_prepared(name: str, split: str, data_dir: str | Path | None) -> tuple[Any, str, str]:
    """(records by index, the feature in them that holds the encoded picture, a line that identifies the data set).

    Reads prepared files alone: neither the data set's code nor the network. Raises InputError for all that is missing.
    """
    where, builder, facts = _given(data_dir) or constants.DATA_DIR, cast(Any, None), {}
    try:
        folder = _find(name, data_dir=_given(data_dir))
        if folder is not None:
            features.check(Path(folder))  # before TFDS reads it
            builder = cast(Any, read_only_builder.builder_from_directory(folder))
            facts = dict(builder.info.features)
    except InputError:
        raise
    except Exception as e:  # whatever TFDS raises on a name, or a description, that cannot be
        raise InputError(f"cannot open the TFDS data set {name!r} under {where}: {_first_line(e)}") from None
    if folder is None:
        known = name.split("/")[0] in tfds.list_builders(with_community_datasets=False)
        raise InputError(_unprepared(name, known, where))
    images = [k for k in ("image", "hr") if isinstance(facts.get(k), tfds.features.Image)]
    images = [k for k in images if facts[k].np_dtype == np.uint8]
    if not images:
        raise InputError(f"the TFDS data set {name!r} has no 8-bit feature image or hr; it has: {', '.join(facts)}")
    try:
        _check_records(builder.info.splits[split], Path(folder))
    except InputError:
        raise
    except Exception:  # TFDS raises almost anything on a split that cannot be
        choices = ", ".join(builder.info.splits)
        raise InputError(f"the TFDS data set {name!r} has no split {split!r}; choose one of: {choices}") from None
    try:
        decoders = {images[0]: cast(Any, tfds.decode.SkipDecoding)()}
        return builder.as_data_source(split, decoders=decoders), images[0], builder.info.full_name
    except NotImplementedError:
        raise InputError(f"the TFDS data set {name!r} is not stored as array_record; prepare it so") from None


# What `builder_from_files` does first; it opens what is found at once.
_find = error_utils.reraise_with_context(tfds.core.DatasetNotFoundError)(read_only_builder._find_builder_dir)


def _check_records(split: Any, folder: Path) -> None:
    """Raises InputError where a split's files are missing, or too small for the pictures that it is said to have."""
    paths = {Path(instruction.filename) for instruction in split.file_instructions}
    for path in sorted(paths):
        if path.parent != folder or not path.is_file():
            raise InputError(f"{path} is missing; copy the whole data set")
    if not split.num_examples:
        raise InputError(f"the split {split.name!r} of the TFDS data set in {folder} is empty; choose another")
    size = sum(path.stat().st_size for path in paths)
    if split.num_examples > size:
        raise InputError(f"{folder} is said to hold {split.num_examples} pictures, but its files have {size} bytes")


def _unprepared(name: str, known: bool, where) -> str:
    if known:
        how = f"where TensorFlow is installed: tfds build {name} --file_format=array_record, then copy it there"
        return f"the TFDS data set {name!r} is not prepared under {where}; prepare it {how}"
    return (
        f"no TFDS data set {name!r} is known or prepared under {where}; "
        f"for a folder of your own: python -m train.tfds_folder FOLDER --name {name}"
    )


def _given(data_dir: str | Path | None) -> str | None:
    return None if data_dir is None else str(data_dir)


def _first_line(problem: Exception) -> str:
    return str(problem).strip().split("\n")[0]


@dataclasses.dataclass(frozen=True)
class Flags:
    folder: tyro.conf.Positional[str]
    """folder of pictures (JPEG, PNG, TIFF, WebP of any size), searched to its depths"""
    name: str
    """what to call the data set, as in --data=tfds:NAME"""
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """where TFDS keeps data sets; default: ~/tensorflow_datasets, or $TFDS_DATA_DIR"""


@command
def main(argv=None) -> None:
    absl.logging.set_verbosity(absl.logging.ERROR)  # TFDS warns of folders that it is about to fill
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m train.tfds_folder", description=__doc__, args=argv)
    count, skipped = prepare(flags.folder, name=flags.name, data_dir=flags.data_dir)
    for name, reason in skipped:
        say(f"skipped {name}: {reason}")
    print(f"{count} pictures, {len(skipped)} skipped; use them with --data=tfds:{flags.name}")


if __name__ == "__main__":
    sys.exit(main())
