"""What becomes of memory that was freed."""

import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_MOST = 2**31 - 1  # bytes: the number is an int
_KEPT = 2**29  # bytes of the largest block that is kept; tiles take less
_LARGEST_PX = 10_000_000  # of a film's frame


def keep_freed(frame_px: int = 0) -> bool:
    """Has this process keep freed memory for its next call, for as long as it lives; False where its C library
    cannot: only glibc can, and no old one.

    `frame_px`: pixels of the frames of a film. Of a frame of 4096x3112 several are held whole, 150 MB each: what lies
    freed between them is most of a GiB, and clearing pages is little beside what they take. They are not kept, nor is
    anything else.

    XLA on a CPU takes the memory of a whole program anew for every call. By default glibc gets blocks of 32 MiB and
    more from the system and gives them back at once, which then clears every page of them again (what that takes:
    benchmarks/memory.py). glibc can keep blocks so large for the main thread alone; so XLA is to run its programs in
    the thread that calls them, not in one of its own. (It still does where an input is being copied; who wants the
    memory kept waits for that first.) For commands, whose process is theirs; to be called before JAX is first used.
    """
    if sys.platform != "linux" or frame_px > _LARGEST_PX:
        return False
    import ctypes

    import jax

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Older ones have a limit of 32 MiB for the second.
    kept = mallopt(_MMAP_THRESHOLD, _KEPT) and mallopt(_TRIM_THRESHOLD, _MOST)
    if kept:
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    return bool(kept)
