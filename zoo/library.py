"""What Python has of the commands."""

from pathlib import Path
from typing import Any

from zoo import chain
from zoo.commands.restore import run
from zoo.commands.restore.flags import Restore
from zoo.errors import FlagError
from zoo.film.finish import Report


class Chain(chain.Chain):
    """Steps, one after the other, or the text that describes them, as `filmzoo restore --steps` takes it.

    `chain(picture)` restores one picture, `chain.film(a, b)` a film. Raises FlagError for steps that cannot be.
    """

    def film(self, film: str | Path, output: str | Path, **flags: Any) -> Report:
        """Restores a film, or numbered pictures, as `filmzoo restore FILM -o OUTPUT --steps ...` does.

        `flags`: of that command, by their names: `start="1:20"`, `yes=True`, `give={"mask": "mask.mkv"}`. Returns what
        was done. Raises ZooError as the command ends with an exit code, and what the same call goes on after.
        """
        flags.setdefault("progress", "off")
        flags["give"] = tuple(f"{name}={path}" for name, path in dict(flags.get("give", {})).items())
        args = Restore(inputs=(str(film),), output=str(output), steps=str(self), **flags)
        if not run.is_film(str(film), str(output)):
            raise FlagError(f"{film} is a picture; give its samples to the chain itself")
        if args.on_change == "split" or args.dry_run:
            raise FlagError("on_change='split' and dry_run are of the command; leave them out")
        from zoo.commands.restore import film as body

        reports = body.restore(args, str(film))
        if not reports:
            raise FlagError(f"{output} is finished; overwrite it with yes=True")
        return reports[0]
