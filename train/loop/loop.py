"""The one training loop: data to the device, steps, validation, checkpoints, weights, and the way back after a kill."""

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from train.loop import data, sharding, workdir
from train.loop.checkpoints import Checkpoints, Progress
from train.loop.lesson import Lesson
from train.loop.log import Log, counter, say
from train.loop.method import Method, compiled, streams
from train.loop.settings import Settings, describe
from train.loop.sources import digest
from train.loop.state import TrainState
from train.loop.validation import SIDE, Validation
from zoo import pictures, registry
from zoo.errors import FlagError, ZooError

CLEAN = "clean"  # of the parts of a batch
NOTE_EVERY = 20  # steps between looks at the losses, which wait for the device


def run(name: str, settings: Settings, make: Callable[[int], Method]) -> Path:
    """Trains, or continues what lies in the run's folder; returns the folder. `make`: the method in a run of so many
    steps."""
    deadline = time.monotonic() + 60 * (settings.minutes or math.inf)  # opening the data counts
    sharding.check_batch(settings.batch)
    if settings.minutes and jax.process_count() > 1:
        raise FlagError("--minutes is for one process: several would stop at different steps")
    once = make(1)
    facts, lesson = about(name, settings, once), once.lesson
    with contextlib.ExitStack() as stack:
        stack.enter_context(workdir.held(settings.folder))
        workdir.refuse_another(settings.folder, facts)
        source, held_out = _open(settings, lesson.frames)
        steps = math.ceil(settings.total(len(source)) / settings.batch)
        mesh = sharding.mesh()
        method = make(steps)
        parts = _parts(source, method)
        method.lesson.look(next(iter(parts.values())))
        state = sharding.replicate(mesh, method.init(streams(settings.seed)[0]))
        progress = Progress(_fingerprint(source, parts))
        workdir.claim(settings.folder, facts)
        checkpoints = stack.enter_context(contextlib.closing(Checkpoints(settings.folder)))
        start, state, last = checkpoints.restore(state) or (0, state, progress)
        if last.fingerprint != progress.fingerprint:
            raise FlagError(
                f"the pictures of --data={settings.data} are others than {settings.folder} began with; "
                "bring those back, or give another --workdir"
            )
        log = stack.enter_context(contextlib.closing(Log(settings, start, steps * settings.batch)))
        if start:
            say(f"continuing {settings.folder} from step {start} of {steps}")
        validation = Validation(sharding.replicate(mesh, held_out), method) if method.restores else None
        batches = stack.enter_context(_batches(parts, settings, lesson, start))
        interrupted = stack.enter_context(_interruptions())
        trainer = _Trainer(settings, method, log, checkpoints, validation, facts, steps, deadline)
        trainer.train(state, start, last, mesh, batches, interrupted)
    return settings.folder


class _Trainer:
    """The loop's own state, so that its parts can be read one by one."""

    def __init__(self, settings, method, log, checkpoints, validation, about, steps, deadline=math.inf):
        self.settings, self.method, self.log, self.checkpoints = settings, method, log, checkpoints
        self.validation, self.about, self.steps, self.deadline = validation, about, steps, deadline
        marks = {round(steps * k / settings.checkpoints) for k in range(1, settings.checkpoints + 1)}
        self.marks = marks - {0}
        self.saved = 0
        self.updates: dict[str, Any] = {}
        self.pending: list[tuple[int, Any]] = []

    def train(self, state: TrainState, start: int, progress: Progress, mesh, batches, interrupted) -> None:
        self.saved, began = start, time.monotonic() - progress.seconds
        if self.settings.weights and not start and self.validation:
            progress = self._begin(state, progress)
        for step in range(start, self.steps):
            if self._patience_is_over(progress):
                break
            batch = sharding.place(mesh, next(batches))
            state, losses = self._update(step, mesh)(state, batch)
            self.pending.append((step, losses))
            done, stop = step + 1, interrupted.is_set() or time.monotonic() > self.deadline
            if done % NOTE_EVERY == 0 or done in self.marks or done <= 2:
                self._look(done)
            if done in self.marks:
                progress = self._mark(done, state, progress, time.monotonic() - began)
            elif stop and jax.process_count() == 1:  # processes may be asked at different steps
                self._look(done)
                self.checkpoints.save(done, state, dataclasses.replace(progress, seconds=time.monotonic() - began))
                self.saved = done
            if stop and done < self.steps:
                saved = f"saved at step {self.saved} of {self.steps}; the same command continues"
                say(saved if self.saved else "nothing is saved yet; the same command begins anew")
                if interrupted.is_set():
                    raise KeyboardInterrupt
                return
        self._finish(progress)

    def _begin(self, state: TrainState, progress: Progress) -> Progress:
        """Measures and writes the weights that the run begins with: what it makes must be better to stand for them."""
        found = self._note_validation(0, state)
        if jax.process_index() == 0:
            self._export(0, state, found, progress.fingerprint, 0.0)
        return dataclasses.replace(progress, best=found[self.validation.decides] + self.method.lesson.least_gain)

    def _update(self, step: int, mesh):
        """The step's function, jitted once."""
        function = self.method.update(step)
        if function.__name__ not in self.updates:
            self.updates[function.__name__] = compiled(self.method, function, mesh=mesh)
        return self.updates[function.__name__]

    def _look(self, done: int) -> None:
        """Fetches the losses since the last look; the first that is not finite ends the run before anything is
        saved."""
        fetched = [(k, {n: float(v) for n, v in m.items()}) for k, m in jax.device_get(self.pending)]
        self.pending = []
        for k, losses in fetched:
            if bad := [n for n, v in losses.items() if not math.isfinite(v)]:
                where = f"at step {k} (image {k * self.settings.batch})"
                raise ZooError(f"the loss {bad[0]!r} is not finite {where}; {self._remains()}")
        if fetched:
            names = sorted({n for _, m in fetched for n in m})
            means = {n: float(np.mean([m[n] for _, m in fetched if n in m])) for n in names}
            self.log.note(done, done * self.settings.batch, means)
            self.log.progress(done * self.settings.batch, means)

    def _remains(self) -> str:
        """What a run that went wrong leaves, and what to do."""
        folder, again = self.settings.folder, "start again with a lower --learning-rate or another --seed"
        last = f"step {self.saved} is the last good checkpoint in {folder}; " if self.saved else ""
        return last + again + (" and another --workdir" if self.saved or workdir.holds_a_run(folder) else "")

    def _mark(self, done: int, state: TrainState, progress: Progress, seconds: float) -> Progress:
        """Validates, writes the weights if they are the best, saves; in that order, so that a kill loses nothing.
        Weights that no step has trained yet are not counted, unless there will be no others."""
        found, counts = self._note_validation(done, state), self.method.begun(done) or done == self.steps
        value = found[self.validation.decides] if self.validation else math.inf
        if math.isnan(value):
            raise ZooError(f"the weights are not finite after step {done}; {self._remains()}")
        best = counts and (value > progress.best or not self.validation)
        progress = dataclasses.replace(
            progress,
            best=value if best else progress.best,
            waited=0 if best or not counts else progress.waited + 1,
            seconds=seconds,
        )
        if best and jax.process_index() == 0:
            self._export(done, state, found, progress.fingerprint, seconds)
        self.checkpoints.save(done, state, progress)
        self.saved = done
        return progress

    def _note_validation(self, done: int, state: TrainState) -> dict[str, Any]:
        found = self.validation.measure(state) if self.validation else {}
        if found:
            self.log.note(done, done * self.settings.batch, {"validation": found})
            self.log.validated(self.validation.said(found))
        return found

    def _export(self, done: int, state: TrainState, found: dict[str, Any], fingerprint: str, seconds: float) -> None:
        """Writes the moving average as weights with their card, and a sheet of samples of a network that makes
        pictures."""
        images = done * self.settings.batch
        facts = {
            "task": self.method.nets[self.method.ships].config.task,
            "licence": "Apache-2.0" if self._seen() == {"leaves"} else "that of the training pictures",
            "data": {"name": self.settings.data, "fingerprint": fingerprint},
            "recipe": self.about,
            "images": images,
            "seconds": round(seconds),
            "validation": found and found | {"protocol": self.method.lesson.protocol},
            "jax": jax.__version__,
            "device": jax.devices()[0].device_kind,
        }
        average = jax.device_get(state.average[self.method.ships])
        stem = "-".join(filter(None, (self.about["command"], self.method.lesson.variant))).replace("_", "-")
        config = self.method.nets[self.method.ships].config
        registry.save(self.settings.folder, stem, config, average["params"], average["stats"], facts)
        if not self.method.restores:
            made = np.asarray(self.method.samples(state))
            sheet = np.concatenate([np.concatenate(list(row), 1) for row in made.reshape(-1, 8, *made.shape[1:])], 0)
            sheet = np.rint(255 * sheet).astype(np.uint8)
            pictures.write(self.settings.folder / "samples.png", pictures.Picture(sheet))

    def _seen(self) -> set[str]:
        return {self.settings.data, self.method.lesson.degraded_data or self.settings.data}

    def _patience_is_over(self, progress: Progress) -> bool:
        return bool(self.settings.patience) and progress.waited >= self.settings.patience

    def _finish(self, progress: Progress) -> None:
        if self._patience_is_over(progress):
            say(f"stopped early: no better validation in {self.settings.patience} checkpoints")
        ended = {"seconds": round(progress.seconds), "best": progress.best if self.validation else None}
        self.log.note(self.saved, self.saved * self.settings.batch, {"finished": ended})
        best = f", {progress.best:.2f} {self.validation.unit} on the pictures held out" if self.validation else ""
        # Process 0 alone writes the card, and on another machine may be the only one to have it.
        if self.validation and jax.process_index() == 0 and not registry.card(self.settings.folder)["images"]:
            best += ", by the weights that it began with: none were better"
        say(f"trained in {progress.seconds:.0f} s{best}: {self.settings.folder}")


def about(name: str, settings: Settings, method: Method) -> dict[str, Any]:
    """What makes a run what it is: command, settings, and each network's config. Raises FlagError where a network
    cannot take the crops, or what is held out."""
    for net in method.nets.values():
        multiple = getattr(net.config, "multiple", 1)
        for what, side in ((f"--crop={settings.crop}", settings.crop), (f"the validation's {SIDE} px", SIDE)):
            if method.restores and side % multiple:
                raise FlagError(
                    f"{what} must divide by {multiple}, which a {type(net.config).__name__} so configured needs"
                )
        least = getattr(net.config, "least", 1)
        if settings.crop < least:
            raise FlagError(f"--crop={settings.crop} is too small for a {type(net.config).__name__}; make it {least}")
    nets = {k: {"network": type(n.config).__name__, **dataclasses.asdict(n.config)} for k, n in method.nets.items()}
    return {"command": name, **describe(settings), "networks": nets}


def _open(settings: Settings, frames: int) -> tuple[Any, np.ndarray]:
    """The pictures to train on, and the middles of those held out, clips of so many frames: of pictures that are not
    made for it, at most one in eight."""
    source = data.open_source(
        settings.data,
        seed=settings.seed,
        size=max(256, settings.crop if frames == 1 else 2 * settings.crop),
        count=settings.leaves + settings.valid,
        frames=frames,
        progress=counter(f"opening {settings.data}"),
    )
    for name, reason in source.skipped:
        say(f"skipped {name}: {reason}")
    if source.skipped:
        say(f"{len(source.skipped)} of {len(source) + len(source.skipped)} pictures cannot be read and are left out")
    count = len(source)
    most = settings.valid if settings.data == "leaves" else max(1, count // 8)
    source, held_out = data.hold_out(source, min(settings.valid, most))
    if most < settings.valid:
        say(f"held out: {most} of {count} pictures, one in eight but at least one, not --valid={settings.valid}")
    return source, data.middles(held_out, side=SIDE, frames=frames, seed=settings.seed)


def _parts(source: Any, method: Method) -> dict[str, Any]:
    """What a batch is made of: {"clean"}, or {"degraded", "clean"}, two films or disjoint halves."""
    if method.lesson.degraded_data:
        frames, settings = method.lesson.frames + 1, method.settings
        film = data.open_source(
            method.lesson.degraded_data,
            seed=settings.seed,
            size=max(256, settings.crop),
            count=settings.leaves,
            frames=frames,
        )
        return {"degraded": film, CLEAN: source}
    return dict(zip(("degraded", CLEAN), data.halves(source), strict=True)) if method.unpaired else {CLEAN: source}


def _fingerprint(source: Any, parts: dict[str, Any]) -> str:
    """Of all that a run sees: of halves, what they are halves of."""
    if parts[CLEAN] is not source:
        return source.fingerprint()
    found = [part.fingerprint() for part in parts.values()]
    return digest(found) if len(found) > 1 else found[0]


@contextlib.contextmanager
def _batches(
    parts: dict[str, Any], settings: Settings, lesson: Lesson, start: int
) -> Iterator[Iterator[dict[str, np.ndarray]]]:
    """Batches of this process from step `start` on, with pictures, or clips, of each of the parts."""
    streams = {
        name: data.batches(
            part,
            seed=settings.seed + k,
            batch=settings.batch,
            crop=settings.crop,
            frames=lesson.frames,
            aside=lesson.aside if name == CLEAN else (),
            start=start,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        for k, (name, part) in enumerate(parts.items())
    }
    try:
        yield (_merged({name: next(stream) for name, stream in streams.items()}) for _ in iter(int, 1))
    finally:
        for stream in streams.values():
            stream.close()


def _merged(parts: dict[str, Any]) -> dict[str, np.ndarray]:
    """A batch. With its clean clips may come what is known of them."""
    known = parts.pop(CLEAN)
    return parts | (known if isinstance(known, dict) else {CLEAN: known})


@contextlib.contextmanager
def _interruptions() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that the loop can save before it leaves; a second Ctrl-C leaves at
    once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number, frame):
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
