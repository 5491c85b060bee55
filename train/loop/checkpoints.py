"""Training state on disk, through Orbax: the last two checkpoints, each with where the run stood."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from train.loop.log import say
from zoo import checked
from zoo.errors import InputError


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a run must remember beside its arrays. The data's position is the step itself."""

    fingerprint: str  # of the pictures trained on
    best: float = float("-inf")  # what decides, in the best validation so far
    waited: int = 0  # checkpoints since then
    seconds: float = 0.0  # of training so far


class Checkpoints:
    """`workdir/checkpoints`. Saving is asynchronous and atomic: a kill leaves the last complete checkpoint."""

    def __init__(self, workdir: Path):
        self.folder = (workdir / "checkpoints").resolve()
        keep = checkpoint_managers.LatestN(2)
        self._manager = ocp.CheckpointManager(
            self.folder, options=ocp.CheckpointManagerOptions(preservation_policy=keep, create=True)
        )

    def save(self, step: int, state: Any, progress: Progress) -> None:
        about = dataclasses.asdict(progress) | {"best": repr(progress.best)}  # JSON has no infinity
        items = ocp.args.Composite(state=ocp.args.StandardSave(state._asdict()), progress=ocp.args.JsonSave(about))
        if step in self._manager.all_steps():  # it could not be read: see `restore`
            self._manager.delete(step)
        self._manager.save(step, args=items, force=True)  # else Orbax drops what lies before an unreadable later step

    def restore(self, like: Any) -> tuple[int, Any, Progress] | None:
        """The latest readable checkpoint as (step, state, progress); None where there is none. `like`: a state whose
        shapes, types and shardings the restored one takes."""
        wanted = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), like)
        items = ocp.args.Composite(state=ocp.args.StandardRestore(wanted._asdict()), progress=ocp.args.JsonRestore())
        failures = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                found = self._manager.restore(step, args=items)
                about = found["progress"]
                best = {"best": float(about["best"])}
                progress = dataclasses.replace(checked.as_kind(about | {"best": 0.0}, Progress, "progress"), **best)
            except Exception as e:  # Orbax raises bare Exceptions for files cut short: try the one before
                first_line = str(e).partition("\n")[0]
                failures.append(f"{step}: {type(e).__name__}: {first_line[:200]}")
                continue
            if failures:
                say(f"step {step} is the last checkpoint that can be read ({'; '.join(failures)})")
            return step, type(like)(**found["state"]), progress
        if failures:
            raise InputError(
                f"no checkpoint in {self.folder} can be read ({'; '.join(failures)}); give another --workdir"
            )
        return None

    def close(self) -> None:
        """Waits for the save under way."""
        self._manager.wait_until_finished()
        self._manager.close()
