"""What goes wrong for a user: one sentence that names the thing and the mend, and an exit code.

Library calls raise these; commands print the sentence on standard error and leave with the code:
0 done, 1 failed, 2 bad flags, 3 unreadable input, 4 out of memory, 5 output check
failed, 130 interrupted.
"""

import _thread
import contextlib
import errno
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator

_AGAIN_S = 0.02  # until an interruption that was dropped comes once more
# What a terminal would obey, what turns the direction of writing, and bytes of a name that are no UTF-8.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str, *, lines: bool = False) -> str:
    """A text with `\\u001b` and the like for what is no visible character, as JSON writes it: the names and words of a
    stranger's file are shown, never obeyed. `lines`: whether ends of lines stay."""
    return _UNSEEN.sub(lambda c: c[0] if lines and c[0] == "\n" else f"\\u{ord(c[0]):04x}", text)


def say(sentence: str) -> None:
    """Prints a sentence on standard error, whatever names are in it, if anybody listens."""
    with contextlib.suppress(OSError, ValueError):
        print(visible(sentence), file=sys.stderr, flush=True)


class ZooError(Exception):
    """The work failed."""

    exit_code = 1


class FlagError(ZooError, ValueError):
    """A setting or an argument that cannot be; the sentence lists what can."""

    exit_code = 2


class InputError(ZooError, ValueError):
    """A file, picture or weights that cannot be read."""

    exit_code = 3


class OutOfMemory(ZooError, MemoryError):
    """The device's memory is too small, even after every retry."""

    exit_code = 4


class OutputError(ZooError):
    """What was written does not hold what it must."""

    exit_code = 5


class Interrupted(ZooError):
    """Stopped by the user; the same command goes on."""

    exit_code = 130


def choose(kind: str, value: str, choices) -> str:
    """`value` if it is one of `choices`, else a FlagError that lists them."""
    if value not in choices:
        raise FlagError(f"unknown {kind} {value!r}; choose one of: {', '.join(sorted(choices))}")
    return value


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether the machine's memory, or the device's, was too small; JAX says so in its message alone."""
    return isinstance(problem, MemoryError) or "RESOURCE_EXHAUSTED" in str(problem)


def command(
    main: Callable[..., int | None], *, smaller: str = "give it smaller pictures, or fewer at once"
) -> Callable[..., int]:
    """Turns a command's `main(argv=None)` into one that ends with a sentence and a code, never a traceback
    for a user's mistake. A programming error still shows its traceback. `smaller`: the mend where memory runs out."""

    def guarded(argv=None) -> int:
        _open_streams()
        try:
            with _signals():
                code = main(argv) or 0
            sys.stdout.flush()  # here, where it is said if it cannot be
            return code
        except ZooError as e:
            return _fail(str(e), e.exit_code)
        except SystemExit:  # of --help, and of flags that cannot be
            _flush()
            raise
        except KeyboardInterrupt:
            return _fail("interrupted", 130)
        except BrokenPipeError:  # `| head` has seen enough
            _drop_output()
            return 141  # as a shell says it: 128 + SIGPIPE
        except OSError as e:
            return _fail(_of_the_system(e), 1)
        except (MemoryError, RuntimeError) as e:  # JAX's errors are RuntimeErrors
            if is_out_of_memory(e):
                return _fail(f"out of memory; {smaller}", OutOfMemory.exit_code)
            raise

    guarded.__doc__ = main.__doc__
    return guarded


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP interrupt as Ctrl-C does, if they would else end the process; what follows
    the first of them is ignored, so that tidying up is not broken off.

    Python drops what is raised in a destructor or a library's callback: an interruption there comes once more."""
    before, hook = {}, sys.unraisablehook

    def interrupt(*_):
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    def dropped(what):
        if not issubclass(what.exc_type, KeyboardInterrupt):
            return hook(what)
        for number in before:
            signal.signal(number, interrupt)
        threading.Timer(_AGAIN_S, _thread.interrupt_main).start()

    try:
        sys.unraisablehook = dropped
        if threading.current_thread() is threading.main_thread():  # no other may ask
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    before[number] = signal.signal(number, interrupt)
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _of_the_system(problem: OSError) -> str:
    """What the system would not do, and the mend."""
    name, why = problem.filename, problem.strerror or str(problem) or type(problem).__name__
    if isinstance(name, str | bytes):
        name = os.fsdecode(name).removeprefix("file:")  # as FFmpeg is told that it is one
    full, name = name or "no more space", name or "the output"
    match problem.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk is full ({full}); free some space and run again"
        case errno.ENAMETOOLONG:
            return f"the name {name} is too long for this system; choose a shorter one"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"no permission to write or read {name}; choose another folder"
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return f"{name} is gone, or was never there ({why}); bring it back, or name another, and run again"
        case errno.EMFILE | errno.ENFILE:
            return f"too many files are open to open {name}; raise the limit (ulimit -n) and run again"
        case errno.EBADF if problem.filename is None:
            return "standard output is closed; give it a file or a pipe to print to"
        case None:  # a library's own, such as of a coder that could not write
            return f"reading or writing failed ({why}); look whether the disk is full or failing, and run again"
        case _:
            return f"reading or writing {name} failed ({why}); look whether the disk is failing, and run again"


def _open_streams() -> None:
    """Gives standard streams that are closed, as a service's may be, an end: else the next file that is opened becomes
    the one that libraries print to. Nothing comes from the input, errors go nowhere, and a result that should be
    printed fails. A character that the terminal does not have is printed as its number."""
    for number, (name, flags) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                if (opened := os.open(os.devnull, flags)) != number:
                    os.dup2(opened, number)
                    os.close(opened)
                setattr(sys, name, os.fdopen(number, "w" if number else "r"))
            else:  # another file's by now
                setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115, PTH123
    if getattr(sys.stdout, "errors", "") == "strict" and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What is still in the buffer of an output that nobody reads must not raise once more at the end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _flush() -> None:
    """Prints what is in the buffer, if anybody reads it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_output()


def _fail(sentence: str, code: int) -> int:
    _flush()
    say(f"error: {sentence}")
    return code
