"""`filmzoo steps`: what a chain can be made of."""

import dataclasses
from typing import Annotated

import tyro

from zoo.errors import choose


@dataclasses.dataclass(frozen=True)
class Steps:
    """List the steps of `restore --steps`, or the options of one."""

    step: Annotated[str | None, tyro.conf.Positional] = None
    """The one whose options are shown."""


def run(args: Steps) -> int:
    from zoo.chain import STEPS
    from zoo.steps import grammar

    if args.step is None:
        width = max(map(len, STEPS))
        print("\n".join(f"{name:{width}}  {grammar.about(step)}" for name, step in STEPS.items()))
    else:
        print(grammar.described(args.step, STEPS[choose("step", args.step, STEPS)]))
    return 0
