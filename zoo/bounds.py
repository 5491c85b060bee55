"""How large a file may say that its pictures are, before anything is made of that size."""

import stat
from pathlib import Path

from zoo.errors import FlagError, InputError

# A picture of so many pixels whose file is smaller than its samples by more than this factor is taken for a trap:
# deflate, which PNG, TIFF and EXR use, packs 1 to 1,032 at most.
_SUSPECT_PX, _MOST_PACKED = 100_000_000, 1032
_most_px: int | None = None  # what the user allows; None: by the file's size and the free memory


def allow(pixels: int | None) -> None:
    """Takes the user's word for how large pictures are; for commands, before they read any. Raises FlagError for none
    or fewer."""
    global _most_px
    if pixels is not None and pixels < 1:
        raise FlagError(f"--max-pixels must be 1 or more, not {pixels}")
    _most_px = pixels


def raised() -> bool:
    """Whether the user has said how large pictures are; then no library's own limit counts."""
    return _most_px is not None


def check_size(path: str | Path, width: int, height: int, pixel_bytes: int, *, held: int | None = None) -> None:
    """Raises InputError where a file says that a picture is too large for it, or for the memory that is free. `held`:
    its bytes, where it lies in a larger file and `path` is but its name."""
    pixels, says = width * height, f"{path} says that it is {width}x{height} px"
    if _most_px is not None:
        if pixels > _most_px:
            raise InputError(f"{says}, more than --max-pixels {_most_px}")
        return
    mend = f"if it is so, allow it with --max-pixels {pixels}"
    held = Path(path).stat().st_size if held is None else held
    if pixels > _SUSPECT_PX and pixels * pixel_bytes > held * _MOST_PACKED:
        raise InputError(f"{says}, far more than its {held} bytes hold; {mend}")
    free = free_memory()
    if free is not None and pixels * pixel_bytes > free:
        needed, free = (f"{number / 2**30:.1f} GiB" for number in (pixels * pixel_bytes, free))
        raise InputError(f"{says}, which takes {needed} of memory, and {free} are free; {mend}")


def check_regular(path: Path, what: str) -> None:
    """Raises InputError for what is no file, or one without an end, such as a device; `what` it should be."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        raise
    except (OSError, ValueError):
        raise InputError(f"{path} is missing: no such file") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder, not a {what}")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is no regular file, but a device or a pipe; copy it into a file first")


def free_memory() -> int | None:
    """Bytes that this process can still take; None where the system does not say."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # another system, no limit, or "max"
        pass
    return min(found, default=None)
