"""Clips of pictures that move, made on the device, with the true motion of every pixel.

A clip is a few layers: one still fills the frame, parts of others lie before it, each with an outline, a depth and a
course of its own, seen by a camera that pans, turns, zooms and shakes; before some lies text (`zoo.made.lettering`).
Slow motion and standing still are common, as in films; some clips are drawn on twos or threes, some fade. With
procedural stills (`zoo.made.leaves`) the clips are nobody's. Everything is a function of real time, so that fields,
shutters and what lies behind are known exactly. No clip holds a cut: a film's windows lie in one shot.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jaxtyping import Array, Float, Int, Integer, Key

from zoo.made import lettering

LAYERS = 6  # of stills: the one that fills the frame, and those before it; text lies before them all
WAVES = 4  # of an outline
_STANDS, _SLOWEST_PX, _FASTEST_PX = 0.35, 0.03, 14.0  # share of what stands still; px a frame of what does not
_TURN, _ZOOM, _GAIN_PX = 0.012, 0.012, 0.3  # a frame: radians, share, px
_SHAKE_PX = 1.2
_DENSITY = (1.0, 1.9)  # samples of a still a pixel: less than 3, the width of the filter before they are read
_SOFT, _SOFTEST = 0.5, 0.4  # share of the clips that are out of focus; how much less their density is, at least
_PLAIN, _PLAINEST = 0.35, 0.2  # share of the layers that are enlarged stills, as skies and walls are; the same
_PALE, _PALEST = 0.5, 0.3  # share of the clips of less contrast; the least
_TEXT, _FADES, _FADE = 0.2, 0.08, 0.05  # shares of clips; most of the light that comes or goes in a frame
_LEAST = 1 / 256  # cover of which nothing is seen


class Clip(NamedTuple):
    """`motion`: how far what each pixel shows goes until the next frame, (y, x) in px. `seen`: 1 where it is seen
    there, 0 where it is hidden or has left the picture. `behind`: the pictures without the uppermost object of each
    pixel; the same where there is none."""

    pictures: Float[Array, "n t h w 3"]
    motion: Float[Array, "n t h w 2"]
    seen: Float[Array, "n t h w 1"]
    behind: Float[Array, "n t h w 3"]


class _Course(NamedTuple):
    """Where something is in time t, as of its place at t = 0: [layers] each, or of one camera."""

    speed: Float[Array, "*l 2"]
    gain: Float[Array, "*l 2"]
    turn: Float[Array, "*l"]
    zoom: Float[Array, "*l"]


class _Layers(NamedTuple):
    """The stills' layers, from behind to before. Lengths in px."""

    course: _Course
    still: Int[Array, " l"]
    origin: Float[Array, "l 2"]  # the sample of the still that lies at the layer's centre
    density: Float[Array, " l"]
    crisp: Float[Array, " l"]  # px of an edge's slope, inverse
    centre: Float[Array, "l 2"]
    radius: Float[Array, " l"]  # of the outline; the first has none
    waves: Float[Array, "l w 2"]
    aspect: Float[Array, " l"]
    angle: Float[Array, " l"]
    boxed: Array  # whether the outline is a rectangle
    opacity: Float[Array, " l"]
    depth: Float[Array, " l"]  # how much of the camera's pan it shows
    on: Float[Array, " l"]  # frames for which a drawing stays


class _Pose(NamedTuple):
    """A layer at one time: what lies `d` from its centre lies at `at + scale * rotated(d, angle)` in the picture."""

    at: Float[Array, "l 2"]
    angle: Float[Array, " l"]
    scale: Float[Array, " l"]


@partial(jax.jit, static_argnames=("count", "size"))
def clips(
    key: Key[Array, ""],
    stills: Float[Array, "*n s hs ws 3"],
    *,
    count: int,
    times: Float[Array, " t"],
    size: int | tuple[int, int],
    first: int | Integer[Array, ""] = 0,
) -> Clip:
    """`count` clips of `size` (height, width, or both alike) pixels at `times`, in frames; at least two, in even steps.

    `stills`: pictures in [0, 1] from which the layers are cut: the same for all clips, or [count s hs ws 3], each
    clip's own. The clips are those from number `first` on of an endless row: clip i depends on (key, i) and its stills
    alone.
    """
    sides = (size, size) if isinstance(size, int) else size
    times = jnp.append(times, 2 * times[-1] - times[-2])
    keys = jax.vmap(partial(random.fold_in, key))(jnp.uint32(first) + jnp.arange(count, dtype=jnp.uint32))
    one = partial(_clip, times=times, sides=sides)
    parallel = None if jax.default_backend() == "cpu" else 8
    if stills.ndim == 4:
        return Clip(*lax.map(lambda k: one(k, stills), keys, batch_size=parallel))
    return Clip(*lax.map(lambda own: one(*own), (keys, stills), batch_size=parallel))


def _clip(key, stills, *, times, sides):
    layers_key, camera_key, shake_key, text_key, fade_key, pale_key = random.split(key, 6)
    layers = _layers(layers_key, stills.shape[:3], sides)
    camera = jax.tree.map(lambda x: x[0] * random.bernoulli(camera_key), _course(camera_key, 1))
    pose = partial(_pose, layers=layers, camera=camera, shake=_shake(shake_key), sides=sides)
    text = lettering.draw(text_key, sides, share=_TEXT)
    paints, fade = _pale(pale_key, _filtered(stills, layers)), _fade(fade_key)
    grid = jnp.stack(jnp.meshgrid(*[jnp.arange(side, dtype=jnp.float32) for side in sides], indexing="ij"), -1)

    def picture(t):
        """What is seen at a time, and what were seen without the uppermost object of each pixel."""
        now = pose(t)
        cover = _cover(grid, now, layers)
        upper, under = _uppermost(cover, 2, least=_LEAST)
        paint = partial(_painted, grid, now=now, layers=layers, paints=paints)
        behind = paint(under)
        scene = behind + jnp.take_along_axis(cover, upper[None], 0)[0][..., None] * (paint(upper) - behind)
        written = lettering.cover(grid, t, text)[..., None]
        light = jnp.clip(1 - jnp.abs(fade) * jnp.where(fade < 0, times[-1] - t, t - times[0]), 0, 1)
        scene, behind = scene + written * (text.colour - scene), jnp.where(written > _LEAST, scene, behind)
        return light * scene, light * behind, top(cover, written)

    def top(cover, written):
        """The number of each pixel's layer: the uppermost of which more than a half is seen."""
        (number,) = _uppermost(cover, 1, least=0.5)
        return jnp.where(written[..., 0] > 0.5, LAYERS, number)

    def moved(step):
        """The motion of what each pixel shows, and whether it is seen there."""
        t, after, top, next_top = step
        there = jnp.where(
            (top == LAYERS)[..., None],
            grid + text.speed * (after - t),
            _carried(grid, top, pose(t), pose(after)),
        )
        at = jnp.round(there).astype(int)
        inside = ((at >= 0) & (at < jnp.array(sides))).all(-1)
        at = at.clip(0, jnp.array(sides) - 1)
        return there - grid, (inside & (next_top[at[..., 0], at[..., 1]] == top))[..., None].astype(jnp.float32)

    pictures, behind, tops = lax.map(picture, times[:-1])
    last = top(_cover(grid, pose(times[-1]), layers), lettering.cover(grid, times[-1], text)[..., None])
    tops = jnp.concatenate([tops, last[None]])
    motion, seen = lax.map(moved, (times[:-1], times[1:], tops[:-1], tops[1:]))
    return pictures, motion, seen, behind


def _course(key, n: int) -> _Course:
    keys = random.split(key, 3)
    u, z = random.uniform(keys[0], (6, n)), random.normal(keys[1], (4, n))
    speed = _SLOWEST_PX * (_FASTEST_PX / _SLOWEST_PX) ** u[0] * (u[1] > _STANDS)
    angle = jnp.where(u[2] < 0.5, jnp.pi * (u[3] < 0.5) + 0.1 * z[0], 2 * jnp.pi * u[3])  # sideways, mostly
    moves, rare = speed > 0, random.uniform(keys[2], (3, n)) < 0.3
    return _Course(
        speed=speed[:, None] * jnp.stack([0.6 * jnp.sin(angle), jnp.cos(angle)], -1),
        gain=_GAIN_PX * (moves & rare[0])[:, None] * jnp.stack([z[1], z[2]], -1),
        turn=_TURN * z[3] * (moves & rare[1]),
        zoom=_ZOOM * (2 * u[5] - 1) * (moves & rare[2]),
    )


def _shake(key) -> Float[Array, "2 2 3"]:
    """Of each axis two waves: size in px, angular rate a frame, phase."""
    u = random.uniform(key, (2, 2, 3))
    shaken = random.uniform(random.fold_in(key, 1)) < 0.2
    return jnp.stack([_SHAKE_PX * u[..., 0] ** 2 * shaken, 0.5 + 2 * u[..., 1], 2 * jnp.pi * u[..., 2]], -1)


def _fade(key) -> Float[Array, ""]:
    """How much light comes (below 0) or goes a frame; 0 in most clips."""
    u = random.uniform(key, (2,))
    return _FADE * (2 * u[0] - 1) * (u[1] < _FADES)


def _pale(key, paints: Float[Array, "l hs ws 3"]) -> Float[Array, "l hs ws 3"]:
    """Stills of less contrast, in many clips."""
    u = random.uniform(key, (2,))
    middle = paints.mean()
    return middle + jnp.where(u[0] < _PALE, _PALEST + (1 - _PALEST) * u[1], 1) * (paints - middle)


def _layers(key, stills: tuple[int, ...], sides: tuple[int, int]) -> _Layers:
    keys, n = random.split(key, 7), LAYERS
    u = random.uniform(keys[0], (12, n))
    first = jnp.arange(n) == 0
    soft = random.uniform(random.fold_in(key, 8), (2,))
    sharpness = jnp.where(soft[0] < _SOFT, _SOFTEST + (1 - _SOFTEST) * soft[1], 1)  # of the whole clip
    plain = jnp.where(u[10] < _PLAIN, _PLAINEST + (1 - _PLAINEST) * u[11], 1)
    density = sharpness * plain * (_DENSITY[0] + (_DENSITY[1] - _DENSITY[0]) * u[0])
    held = jnp.array(stills[1:], jnp.float32) - 1
    half = jnp.minimum(density[:, None] * jnp.array(sides) / 2, held / 2)  # that the first fills the frame
    drawn = random.uniform(keys[6], (2,))
    on = jnp.where(drawn[0] < 0.12, jnp.where(drawn[1] < 0.5, 2.0, 3.0), 1.0)
    lies = random.uniform(keys[4], (n,)) < 0.7  # in the picture at all
    boxed = u[9] < 0.3
    waves = 0.25 * random.normal(random.fold_in(key, 7), (n, WAVES, 2)) / jnp.arange(1, WAVES + 1)[:, None]
    course = _course(keys[1], n)
    stands = first & (on == 1)  # of a scene that is filmed, the camera alone moves what lies behind all
    return _Layers(
        course=jax.tree.map(lambda x: jnp.where(stands.reshape(-1, *[1] * (x.ndim - 1)), 0, x), course),
        still=random.randint(keys[2], (n,), 0, stills[0]),
        origin=half + random.uniform(keys[3], (n, 2)) * (held - 2 * half),
        density=density,
        crisp=jnp.full(n, sharpness),
        centre=jnp.array(sides) * jnp.where(first[:, None], 0.5, random.uniform(keys[5], (n, 2))),
        radius=jnp.where(lies, 4 * (min(sides) / 8) ** u[1], 0),
        waves=jnp.where(boxed[:, None, None], 0, waves),
        aspect=jnp.where(u[2] < 0.25, 0.08 + 0.2 * u[3], 0.4 + 0.6 * u[3]),  # bars, blobs
        angle=2 * jnp.pi * u[4],
        boxed=boxed,
        # Smoke, glass; no other lies upon it, so that two layers are all that a pixel shows.
        opacity=jnp.where((jnp.arange(n) < n - 1) | (u[5] > 0.3), 1.0, 0.3 + 0.4 * u[6]),
        depth=jnp.where(first, 1.0, 0.6 + 1.2 * u[7]),
        on=jnp.where(first & (u[8] < 0.5), 1.0, on),  # a background may pan under a drawing that stays
    )


def _rotated(x: Float[Array, "*n 2"], angle: Array) -> Float[Array, "*n 2"]:
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], -1)


def _pose(t, *, layers: _Layers, camera: _Course, shake: Array, sides: tuple[int, int]) -> _Pose:
    """Each layer's own course, about its centre, then the camera's, about the picture's."""
    own = jnp.where(layers.on > 1, jnp.floor(t / layers.on) * layers.on, t)
    shift = layers.course.speed * own[:, None] + layers.course.gain * own[:, None] ** 2 / 2
    waves = (shake[..., 0] * jnp.sin(shake[..., 1] * t + shake[..., 2])).sum(-1)
    pan = (camera.speed * t + camera.gain * t**2 / 2 + waves) * layers.depth[:, None]
    middle, zoom = (jnp.array(sides) - 1) / 2, jnp.exp(camera.zoom * t)
    return _Pose(
        at=zoom * _rotated(layers.centre + shift - middle, camera.turn * t) + middle + pan,
        angle=layers.course.turn * own + camera.turn * t,
        scale=zoom * jnp.exp(layers.course.zoom * own),
    )


def _own(grid: Float[Array, "h w 2"], number: Int[Array, "h w"], pose: _Pose) -> Float[Array, "h w 2"]:
    """How far from its layer's centre each pixel lies, in the layer's own px."""
    return _rotated(grid - pose.at[number], -pose.angle[number]) / pose.scale[number][..., None]


def _carried(grid, number: Int[Array, "h w"], now: _Pose, after: _Pose) -> Float[Array, "h w 2"]:
    """Where in the picture `after` lies what each pixel's layer shows there `now`."""
    own = _own(grid, number, now)
    return after.at[number] + after.scale[number][..., None] * _rotated(own, after.angle[number])


def _cover(grid: Float[Array, "h w 2"], pose: _Pose, layers: _Layers) -> Float[Array, "l h w"]:
    """How much of each pixel each layer covers, 0 to 1. Edges are a pixel soft, or as soft as the clip is."""

    def one(pose, crisp, radius, waves, aspect, angle, boxed, opacity):
        y, x = grid[..., 0] - pose.at[0], grid[..., 1] - pose.at[1]
        sin, cos = jnp.sin(angle + pose.angle) / pose.scale, jnp.cos(angle + pose.angle) / pose.scale
        y, x = (cos * y + sin * x) / aspect, cos * x - sin * y
        over = lax.rsqrt(y * y + x * x + 1e-9)
        edge, cos, sin = jnp.ones_like(y), x * over, y * over
        c, s = cos, sin
        for k in range(WAVES):
            edge = edge + waves[k, 0] * c + waves[k, 1] * s
            c, s = c * cos - s * sin, s * cos + c * sin
        edge, tall = radius * jnp.maximum(edge, 0.2), jnp.abs(y) > jnp.abs(x)
        far = jnp.where(boxed, jnp.where(tall, jnp.abs(y), jnp.abs(x)), 1 / over)
        gain = jnp.where(boxed, jnp.where(tall, aspect, 1), lax.rsqrt((sin / aspect) ** 2 + cos**2))  # px of `far`
        inside = (edge - far) * gain * (pose.scale * crisp) + 0.5
        return opacity * jnp.clip(inside, 0, jnp.minimum(1, 2 * aspect * edge))  # thin bars fill a part of a pixel

    own = pose, layers.crisp, layers.radius, layers.waves, layers.aspect, layers.angle, layers.boxed, layers.opacity
    cover = jax.vmap(one)(*jax.tree.map(lambda x: x[1:], own))
    return jnp.concatenate([jnp.ones_like(cover[:1]), cover])


def _uppermost(cover: Float[Array, "l h w"], count: int, *, least: float) -> list[Int[Array, "h w"]]:
    """The numbers of each pixel's uppermost layers that cover more than `least`, from above; then the first's, 0."""
    found, numbers = [], jnp.where(cover > least, jnp.arange(LAYERS)[:, None, None], 0)
    for _ in range(count):
        found.append(numbers.max(0))
        numbers = jnp.where(numbers == found[-1], 0, numbers)
    return found


def _filtered(stills: Float[Array, "s hs ws 3"], layers: _Layers) -> Float[Array, "l hs ws 3"]:
    """Each layer's still, averaged over a pixel's width: read once a pixel it does not shimmer."""
    still = stills[layers.still]
    side = ((jnp.clip(layers.density, 1, 3) - 1) / 2 / jnp.maximum(layers.density, 1))[:, None, None, None]
    for axis in (1, 2):
        pad = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        padded, n = jnp.pad(still, pad, mode="edge"), still.shape[axis]
        before, after = (lax.slice_in_dim(padded, k, k + n, axis=axis) for k in (0, 2))
        still = still + side * (before - 2 * still + after)
    return still


def _painted(grid, number: Int[Array, "h w"], *, now: _Pose, layers: _Layers, paints) -> Float[Array, "h w 3"]:
    """What each pixel's layer shows there, between four samples of its still, which is mirrored beyond its edges."""
    _, height, width, _ = paints.shape
    places = layers.origin[number] + layers.density[number][..., None] * _own(grid, number, now)
    place = []
    for i, side in enumerate((height, width)):
        at = jnp.abs((places[..., i] + side - 1) % (2 * side - 2) - (side - 1))
        low = jnp.clip(jnp.floor(at).astype(jnp.int32), 0, side - 2)
        place.append((low, (at - low)[..., None]))
    (y, fy), (x, fx) = place
    flat, first = paints.reshape(-1, 3), (number * height + y) * width + x
    rows = []
    for row in (first, first + width):
        left, right = flat[row], flat[row + 1]
        rows.append(left + fx * (right - left))
    return rows[0] + fy * (rows[1] - rows[0])
