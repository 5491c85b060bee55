"""What tells one file from another: sums of files, of pictures, of the planes of frames."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def fingerprint(path: Path, *, blocks: int = 64, block: int = 2**20) -> str:
    """Tells one file from another: sha256 of its size and of up to 64 MiB in blocks spread evenly over it."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as f:
        for k in range(min(blocks, -(-size // block))):
            f.seek(k * block if size <= blocks * block else k * (size - block) // (blocks - 1))
            digest.update(f.read(block))
    return digest.hexdigest()


def of_pictures(paths: list[Path]) -> str:
    """Tells one sequence from another by the name, the size and both ends of each picture: a reel has 144,000. A change
    of the middle alone that leaves the size is not seen, such as a retouch in a DPX."""
    about = (f"{path.name} {fingerprint(path, blocks=2, block=2**16)}\n" for path in paths)
    return hashlib.sha256("".join(about).encode()).hexdigest()


def sum_of(path: Path) -> str:
    """sha256 of a file; of a folder, of what `sha256sum *` prints in it."""
    if path.is_dir():
        return sum_of_all(sorted(path.iterdir()))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sum_of_all(paths: Iterable[Path]) -> str:
    """sha256 of what `sha256sum` prints of these files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{sum_of(path)}  {path.name}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def of_planes(planes: Iterable[np.ndarray]) -> str:
    """MD5 of the planes of a frame."""
    digest = hashlib.md5(usedforsecurity=False)
    for plane in planes:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()
