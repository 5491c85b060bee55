"""What the C library does with memory that was freed."""

import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
_MOST = 2**31 - 1  # bytes: the number is an int
_KEPT = 2**29  # bytes of the largest block that is kept; tiles take less


def keep_freed() -> bool:
    """Has glibc keep freed memory for the next call, for as long as this process lives; False where there is no glibc.

    XLA on a CPU takes the memory of a whole program anew for every call. By default glibc gets pieces of 32 MiB and
    more from the system and gives them back at once, which then clears every page of them again: up to a fifth of the
    time of a frame. For commands, whose process is their own; and before JAX is used, since threads choose their part
    of the memory when they begin.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    options = {_ARENA_MAX: 1, _TRIM_THRESHOLD: _MOST, _MMAP_THRESHOLD: _KEPT}  # the arenas of threads end at 64 MiB
    return mallopt is not None and all([mallopt(*option) for option in options.items()])
