"""Clips of pictures that move, made on the device, with the true motion of every pixel.

A clip is a few layers: one still fills the frame, parts of others lie before it, each with an outline, a depth and a
course of its own, seen by a camera that pans, turns, zooms and shakes. Slow motion and standing still are common, as in
films; some clips are drawn on twos or threes. With procedural stills (`zoo.leaves`) the clips are nobody's. Everything
is a function of real time, so that fields, shutters and what lies behind are known exactly.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jaxtyping import Array, Float, Int, Key

LAYERS = 6  # the one that fills the frame, and those before it
WAVES = 4  # of an outline
_STANDS, _SLOWEST_PX, _FASTEST_PX = 0.35, 0.03, 14.0  # share of what stands still; px a frame of what does not
_TURN, _ZOOM, _GAIN_PX = 0.012, 0.012, 0.3  # a frame: radians, share, px
_SHAKE_PX = 1.2
_DENSITY = (1.0, 1.9)  # samples of a still a pixel: less than 2, as a pixel is sampled twice along each side

Places = Float[Array, "*n 2"]  # (y, x) in pixels


class Clip(NamedTuple):
    """`motion`: how far what each pixel shows goes until the next frame, (y, x) in px. `seen`: 1 where it is seen
    there, 0 where it is hidden or has left the picture."""

    pictures: Float[Array, "n t h w 3"]
    motion: Float[Array, "n t h w 2"]
    seen: Float[Array, "n t h w 1"]


class _Course(NamedTuple):
    """Where something is in time t, as of its place at t = 0: [layers] each, or of one camera."""

    speed: Float[Array, "*l 2"]
    gain: Float[Array, "*l 2"]
    turn: Float[Array, "*l"]
    zoom: Float[Array, "*l"]


class _Layers(NamedTuple):
    course: _Course
    still: Int[Array, " l"]
    origin: Places  # of the still's part, in its samples
    density: Float[Array, " l"]
    centre: Places
    radius: Float[Array, " l"]  # of the outline, px; the first has none
    waves: Float[Array, "l w 2"]
    aspect: Float[Array, " l"]
    angle: Float[Array, " l"]
    opacity: Float[Array, " l"]
    depth: Float[Array, " l"]  # how much of the camera's pan it shows
    on: Float[Array, " l"]  # frames for which a drawing stays


@partial(jax.jit, static_argnames=("count", "size"))
def clips(
    key: Key[Array, ""],
    stills: Float[Array, "s hs ws 3"],
    *,
    count: int,
    times: Float[Array, " t"],
    size: int,
) -> Clip:
    """`count` clips of `size` x `size` pixels at `times`, in frames; at least two, in even steps.

    `stills`: pictures in [0, 1] from which the layers are cut. Clip i depends on (key, i) and the stills alone.
    """
    one = partial(_clip, stills=stills, times=jnp.append(times, 2 * times[-1] - times[-2]), size=size)
    keys = jax.vmap(partial(random.fold_in, key))(jnp.arange(count))
    return Clip(*lax.map(one, keys))


def _clip(key, *, stills, times, size):
    layer_key, camera_key, shake_key = random.split(key, 3)
    layers = _layers(layer_key, len(stills), stills.shape[1:3], size)
    camera = jax.tree.map(lambda x: x[0], _course(camera_key, 1))
    shake = _shake(shake_key)
    place = partial(_place, layers=layers, camera=camera, shake=shake, size=size)
    fine = (_grid(2 * size) - 0.5) / 2  # each pixel's four samples
    pictures = lax.map(lambda t: _picture(place(t, fine), layers, stills), times[:-1])
    pictures = pictures.reshape(len(times) - 1, size, 2, size, 2, 3).mean((2, 4))
    whole = _grid(size)
    tops = lax.map(lambda t: _top(place(t, whole), layers), times)

    def moved(step):
        """The motion of what each pixel shows, and whether it is seen there."""
        now, after, top, next_top = step
        own = jnp.take_along_axis(place(now, whole), top[None, ..., None], 0)[0]  # in its layer's own place
        there = _seen_at(own, top, after, layers=layers, camera=camera, shake=shake, size=size)
        at = jnp.round(there).astype(int)
        inside = ((at >= 0) & (at < size)).all(-1)
        at = at.clip(0, size - 1)
        return there - whole, (inside & (next_top[at[..., 0], at[..., 1]] == top))[..., None].astype(jnp.float32)

    motion, seen = lax.map(moved, (times[:-1], times[1:], tops[:-1], tops[1:]))
    return pictures, motion, seen


def _grid(side: int) -> Float[Array, "side side 2"]:
    return jnp.stack(jnp.meshgrid(*[jnp.arange(side, dtype=jnp.float32)] * 2, indexing="ij"), -1)


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
    shaken = random.uniform(random.fold_in(key, 1)) < 0.3
    return jnp.stack([_SHAKE_PX * u[..., 0] * shaken, 0.5 + 2 * u[..., 1], 2 * jnp.pi * u[..., 2]], -1)


def _layers(key, stills: int, sides: tuple[int, int], size: int) -> _Layers:
    keys, n = random.split(key, 7), LAYERS
    u = random.uniform(keys[0], (9, n))
    first = jnp.arange(n) == 0
    density = _DENSITY[0] + (_DENSITY[1] - _DENSITY[0]) * u[0]
    room = jnp.maximum(jnp.array(sides, jnp.float32) - size * density[:, None], 0)
    drawn = random.uniform(keys[6], (2,))
    on = jnp.where(drawn[0] < 0.12, jnp.where(drawn[1] < 0.5, 2.0, 3.0), 1.0)
    lies = random.uniform(keys[4], (n,)) < 0.7  # in the picture at all
    return _Layers(
        course=_course(keys[1], n),
        still=random.randint(keys[2], (n,), 0, stills),
        origin=random.uniform(keys[3], (n, 2)) * room,
        density=density,
        centre=random.uniform(keys[5], (n, 2)) * size,
        radius=jnp.where(first, jnp.inf, jnp.where(lies, 4 * (size / 8) ** u[1], 0)),
        waves=0.25 * random.normal(random.fold_in(key, 7), (n, WAVES, 2)) / jnp.arange(1, WAVES + 1)[:, None],
        aspect=jnp.where(u[2] < 0.25, 0.08 + 0.2 * u[3], 0.4 + 0.6 * u[3]),  # bars, blobs
        angle=2 * jnp.pi * u[4],
        opacity=jnp.where(first | (u[5] > 0.1), 1.0, 0.3 + 0.4 * u[6]),  # smoke, glass
        depth=jnp.where(first, 1.0, 0.6 + 1.2 * u[7]),
        on=jnp.where(first & (u[8] < 0.5), 1.0, on),  # a background may pan under a drawing that stays
    )


def _rotated(x: Places, angle: Array) -> Places:
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], -1)


def _steps(t: Array, layers: _Layers, camera: _Course, shake: Array, size: int):
    """What brings each layer from its own place to the picture at time t: its offset, angle and scale about its centre,
    then the camera's about the picture's."""
    held = jnp.floor(t / layers.on) * layers.on
    own = jnp.where(layers.on > 1, held, t)
    shift = layers.course.speed * own[:, None] + layers.course.gain * own[:, None] ** 2 / 2
    waves = (shake[..., 0] * jnp.sin(shake[..., 1] * t + shake[..., 2])).sum(-1)
    pan = (camera.speed * t + camera.gain * t**2 / 2 + waves) * layers.depth[:, None]
    return (
        shift,
        layers.course.turn * own,
        jnp.exp(layers.course.zoom * own),
        pan,
        camera.turn * t,
        jnp.exp(camera.zoom * t),
    )


def _place(t, at: Places, *, layers: _Layers, camera: _Course, shake: Array, size: int) -> Float[Array, "l h w 2"]:
    """The places of the picture `at` time t, in each layer's own."""
    shift, turn, zoom, pan, camera_turn, camera_zoom = _steps(t, layers, camera, shake, size)
    wide = lambda x: x.reshape(LAYERS, 1, 1, *x.shape[1:])
    middle, centre = (size - 1) / 2, wide(layers.centre)
    world = _rotated(at[None] - middle - wide(pan), -camera_turn) / camera_zoom + middle
    return _rotated(world - centre - wide(shift), -wide(turn)) / wide(zoom)[..., None] + centre


def _seen_at(own: Places, top: Int[Array, "h w"], t, *, layers, camera, shake, size) -> Places:
    """The way back: where in the picture at time t lies what has a place in the layer `top`."""
    shift, turn, zoom, pan, camera_turn, camera_zoom = _steps(t, layers, camera, shake, size)
    middle, centre = (size - 1) / 2, layers.centre[top]
    world = _rotated((own - centre) * zoom[top][..., None], turn[top]) + centre + shift[top]
    return _rotated((world - middle) * camera_zoom, camera_turn) + middle + pan[top]


def _cover(places: Float[Array, "l h w 2"], layers: _Layers) -> Float[Array, "l h w"]:
    """How much of each layer lies at its own places, 0 to 1; edges are half a pixel soft."""

    def one(at, centre, radius, waves, aspect, angle):
        d = _rotated(at - centre, -angle) / jnp.array([aspect, 1.0])
        around = jnp.arctan2(d[..., 0], d[..., 1])[..., None] * jnp.arange(1, WAVES + 1)
        edge = radius * jnp.maximum(1 + (waves[:, 0] * jnp.cos(around) + waves[:, 1] * jnp.sin(around)).sum(-1), 0.2)
        return jnp.clip(2 * aspect * (edge - jnp.hypot(d[..., 0], d[..., 1])) + 0.5, 0, 1)

    shapes = layers.centre, layers.radius, layers.waves, layers.aspect, layers.angle
    cover = jax.vmap(one)(places[1:], *(x[1:] for x in shapes))
    return jnp.concatenate([jnp.ones_like(places[:1, ..., 0]), cover])


def _picture(places: Float[Array, "l h w 2"], layers: _Layers, stills) -> Float[Array, "h w 3"]:
    cover = _cover(places, layers) * layers.opacity[:, None, None]

    def painted(k, scene):
        at = layers.origin[k] + places[k] * layers.density[k]
        read = partial(jax.scipy.ndimage.map_coordinates, coordinates=[at[..., 0], at[..., 1]], order=1, mode="mirror")
        paint = jax.vmap(read, in_axes=-1, out_axes=-1)(stills[layers.still[k]])
        return scene + cover[k][..., None] * (paint - scene)

    return lax.fori_loop(0, LAYERS, painted, jnp.zeros((*places.shape[1:3], 3)))


def _top(places: Float[Array, "l h w 2"], layers: _Layers) -> Int[Array, "h w"]:
    """The uppermost layer of which more than a half is seen."""
    seen = _cover(places, layers) * layers.opacity[:, None, None] > 0.5
    return jnp.where(seen, jnp.arange(LAYERS)[:, None, None], 0).max(0)
