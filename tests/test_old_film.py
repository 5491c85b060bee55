"""Clips damaged as old film is: what covers a pixel is known, all else is the clip with weave, grain and flicker."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from train.repair import COMMAND, Repair, bounded
from zoo import draws
from zoo.damage import dirt
from zoo.damage.old_film import FRAMES, old_film
from zoo.models.repair import RepairConfig
from zoo.tiles import Tiled

SIDE = 32


@pytest.fixture(scope="module")
def film():
    key = jax.random.key(3)
    clips = jnp.broadcast_to(draws.uniform(key, (12, 1, SIDE, SIDE, 3), low=0.3, high=0.6), (12, FRAMES, SIDE, SIDE, 3))
    return jax.tree.map(np.asarray, old_film(key, clips))


def test_what_nothing_covers_is_the_clean_clip(film):
    damaged, cover = film.damaged[:, FRAMES // 2], np.maximum(film.dirt, film.scratches)
    assert np.array_equal(damaged[cover == 0], film.clean[cover == 0])
    assert 0 <= cover.min() <= cover.max() <= 1
    assert 0.002 < (cover > 0.1).mean() < 0.3
    seen = np.abs(damaged - film.clean).max(-1)
    assert (seen[cover > 0.5] > 4 / 255).mean() > 0.9
    codes = 255 * film.damaged
    assert np.abs(codes - np.round(codes)).max() < 1e-3


def test_some_neighbours_are_mostly_repaired_and_lead(film):
    damaged = film.damaged[:, FRAMES // 2]
    led = (film.guide != damaged).any((1, 2, 3))
    assert led.any()
    assert not led.all()
    apart = lambda x: np.abs(x - film.clean).mean((1, 2, 3))[led]
    assert (apart(film.guide) < apart(damaged)).all()


def test_a_scratch_keeps_its_place_in_the_gate():
    sides = {"count": 5, "height": SIDE, "width": SIDE}
    draw = lambda k: dirt.scratches(jax.random.key(k), jnp.float32(3), jnp.float32(1), **sides).cover
    covers = np.stack([np.asarray(draw(k)) for k in range(6)])
    columns = covers.sum(2)  # [k t w]
    assert columns.max() > 4
    there = columns.max(-1) > 2
    moved = np.abs(np.diff(columns.argmax(-1), axis=1))[there[:, 1:] & there[:, :-1]]
    assert np.median(moved) <= 1


def test_a_network_that_finds_nothing_leaves_the_frame_and_one_that_knows_all_gains(film):
    lesson = Repair(COMMAND.parse(["--crop=32", "--batch=2"]))
    pair = lesson.pairs(jax.random.key(0), jnp.full((2, FRAMES, SIDE, SIDE, 3), 0.4), jnp.ones(()))
    assert pair.seen.shape == (2, SIDE, SIDE, 3 * FRAMES)
    clean, cover = pair.wanted[..., :3], pair.wanted[..., 3:]
    now = lesson.untouched(pair.seen)
    given = lambda chance: jnp.concatenate([clean, chance], -1)
    assert jnp.array_equal(lesson.restored(pair.seen, given(0 * cover)), now)
    assert jnp.abs(lesson.restored(pair.seen, given(jnp.ones_like(cover))) - clean).max() < 1e-6
    assert float(bounded(clean, clean).min()) == pytest.approx(60, abs=1e-3)
    knows, blind = (lesson.loss(pair, given(x), None) for x in (1.0 * (cover > 0.04), 0.5 * jnp.ones_like(cover)))
    assert float(knows) < float(blind)


def test_tiles_are_the_whole(key):
    network = RepairConfig(width=8, below=8, deep=1).build(nnx.Rngs(0))
    x = draws.uniform(key, (1, 40, 360, 15))
    whole, tiled = Tiled(network, tile=512)(x), Tiled(network, tile=232)(x)
    assert whole.shape == (1, 40, 360, 5)
    assert float(jnp.abs(whole - tiled).max()) < 1e-5
