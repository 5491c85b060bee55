"""A train command: a lesson, learned by a method, with a network. Which of the three are fixed, and how flags, presets
and defaults become the settings of a run."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from train.loop import loop, sharding
from train.loop.lesson import Lesson
from train.loop.method import Method
from train.loop.settings import PRESETS, Settings
from train.methods import METHODS
from zoo.errors import choose, command
from zoo.flags import among, check_names
from zoo.memory import keep_freed


@dataclasses.dataclass(frozen=True)
class Axes(Settings):
    """What a command has that fixes neither method nor network."""

    method: str = ""
    """how it is learned"""
    network: str | None = None
    """which network, and what to change in its config: NAME, or NAME:width=32,blocks=2"""


@dataclasses.dataclass(frozen=True)
class Command:
    """`python -m train.NAME`. Where `method` is fixed, `network` may be too; else --generator says which. `flags` and
    `presets`: more than those of the lesson and the method. `instead`: another method that the settings ask for."""

    name: str
    lesson: type[Lesson]
    about: str | None
    method: str = ""
    network: str = ""
    flags: type[Settings] | None = None
    presets: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    instead: Callable[[Any], str] | None = None

    @property
    def main(self) -> Callable[..., int]:
        """(argv=None) -> exit code."""

        def main(argv: list[str] | None = None) -> None:
            keep_freed()
            sharding.start()
            settings = self.parse(argv)
            make = lambda steps: self.make(settings, steps)
            if settings.dry_run:
                about = loop.about(self.name, settings, make(1))
                print(json.dumps(about | {"workdir": str(settings.workdir)}, indent=1))
            else:
                loop.run(self.name, settings, make)

        return command(main, smaller="make --batch, --crop or --network smaller")

    def make(self, settings: Any, steps: int) -> Method:
        """The method as it learns the lesson, in a run of so many steps."""
        asked = self.instead(settings) if self.instead else self.method or settings.method
        return METHODS[asked](settings, self.lesson.of(settings), steps)

    def parse(self, argv: list[str] | None) -> Any:
        """The settings that `argv` asks for, upon the preset that it names. Leaves with code 2 for a bad flag."""
        early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for flag, default in (("--preset", "auto"), ("--method", self.lesson.methods[0]), ("--network", "")):
            early.add_argument(flag, default=default)
        for flag in self.lesson.implied:
            early.add_argument(flag)
        asked = early.parse_known_args(argv)[0]
        preset = asked.preset
        if preset == "auto":
            preset = "small" if jax.default_backend() == "cpu" else "full"
        method = METHODS[self.method or choose("method", asked.method, self.lesson.methods)]
        name, colon, fields = ("", "", "") if self.method else asked.network.partition(":")
        given = {word.split("=")[0] for word in (sys.argv[1:] if argv is None else argv)}
        if not (name or self.network):
            name = next((network for flag, network in self.lesson.implied.items() if flag in given), "")
        defaults = self.defaults(method, preset, self.network or name)
        kind = self.kind(method, defaults["generator"])
        check_names(argv, kind, hidden=() if self.method and not self.network else ("generator",))
        # An unknown preset falls through to tyro, which lists the choices.
        settings = tyro.cli(
            kind,
            prog=f"python -m train.{self.name}",
            description=self.about,
            default=kind(**defaults, preset=preset if preset in PRESETS else "auto"),
            args=argv,
            config=(tyro.conf.OmitArgPrefixes,),
        )
        changes: dict[str, Any] = {"preset": preset}
        if not self.method:
            changes["network"] = fields if colon else defaults["network"]
        if settings.weights and not (colon if not self.method else "--network" in given):
            changes["network"] = None  # the weights bring theirs
        if "--epochs" in given and "--images" not in given:
            changes["images"] = None  # the preset's, of which the epochs take the place
        settings = dataclasses.replace(settings, **changes).settled()
        if settings.workdir is None:
            run = "-".join(filter(None, (self.name, self.lesson.of(settings).variant)))
            settings = dataclasses.replace(settings, workdir=Path("runs") / run)
        settings.check()
        return settings

    def defaults(self, method: type[Method], preset: str, network: str) -> dict[str, Any]:
        """What a preset changes: the loop's part, the lesson's, the method's and the command's. `network`: which one is
        asked for; empty for the preset's or the method's own."""
        found: dict[str, Any] = {}
        for presets in (PRESETS, self.lesson.presets, method.presets, self.presets):
            found |= presets.get(preset, {})
        own = found.get("generator") or method.flags.generator
        own = own if own in self.lesson.networks else next(iter(self.lesson.networks))
        if network and network != found.get("generator", network):
            found.pop("network", None)  # of the network that the preset has
        found["generator"] = choose("network", network or own, self.lesson.networks)
        fields = {field.name for field in dataclasses.fields(self.lesson.networks[found["generator"]])}
        if {change.partition("=")[0] for change in (found.get("network") or "").split(",")} - {""} - fields:
            found.pop("network")  # a preset's change of what this network does not have
        sizes = self.lesson.sizes.get(preset, {})
        return {"network": sizes.get(found["generator"])} | found

    def kind(self, method: type[Method], network: str) -> type[Any]:
        """The dataclass of all settings: the loop's, the lesson's and the method's."""
        bases = dict.fromkeys([self.flags or method.flags, self.lesson.flags])
        choice = Annotated[str, among(self.lesson.networks)]
        fixed = Annotated[str, tyro.conf.Suppress]
        fields: list[tuple[str, Any, Any]] = [
            ("generator", fixed if self.network or not self.method else choice, network)
        ]
        if not self.method:
            bases = {Axes: None, **bases}
            fields.append(("method", Annotated[str, among(self.lesson.methods)], self.lesson.methods[0]))
        return dataclasses.make_dataclass("RunSettings", fields, bases=tuple(bases), frozen=True)
