import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import color
from zoo.color import Layout

CELLS = [(1, 1), (1, 2), (2, 2), (2, 1), (1, 4), (4, 4)]


def codes(layout, height, width, seed=0, count=2):
    """Random planes, over all codes."""
    rng = np.random.default_rng(seed)
    shapes = layout.shapes(height, width)
    return tuple(jnp.asarray(rng.integers(0, layout.top + 1, (count, *s)).astype(layout.dtype)) for s in shapes)


layouts = st.builds(
    Layout,
    family=st.just("yuv"),
    depth=st.sampled_from([8, 10, 12, 16]),
    cell=st.sampled_from(CELLS),
    alpha=st.booleans(),
    matrix=st.sampled_from(sorted(color.MATRICES)),
    full=st.booleans(),
    siting=st.sampled_from(sorted(color.SITINGS)),
) | st.builds(Layout, family=st.sampled_from(["grey", "rgb"]), depth=st.sampled_from([8, 10, 16]), full=st.booleans())


@settings(max_examples=25)
@given(layouts, st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_where_nothing_is_changed_every_code_stays(layout, height, width, seed):
    planes = codes(layout, height, width, seed)
    rgb = color.to_rgb(planes, layout=layout)
    assert rgb.shape == (2, height, width, 3)
    same = color.changed(planes, jnp.zeros_like(rgb), source=layout, target=layout)
    assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(planes, same, strict=True))


@pytest.mark.parametrize(
    ("matrix", "full", "depth", "code", "rgb"),
    [
        # Y, Cb, Cr of saturated colours, from the Recommendations' own formulas.
        ("bt709", False, 8, (16, 128, 128), (0, 0, 0)),
        ("bt709", False, 8, (235, 128, 128), (1, 1, 1)),
        ("bt709", False, 10, (940, 512, 512), (1, 1, 1)),
        ("bt709", True, 8, (255, 128, 128), (1, 1, 1)),
        ("bt709", False, 8, (63, 102, 240), (1, 0, 0)),
        ("smpte170m", False, 8, (81, 90, 240), (1, 0, 0)),
        ("bt470bg", False, 8, (145, 54, 34), (0, 1, 0)),
        ("bt2020nc", False, 10, (294, 387, 960), (1, 0, 0)),
        ("smpte170m", True, 8, (29, 255, 107), (0, 0, 1)),
    ],
)
def test_known_colours(matrix, full, depth, code, rgb):
    layout = Layout("yuv", depth, matrix=matrix, full=full)
    planes = tuple(jnp.full((1, 2, 2), c, layout.dtype) for c in code)
    found = np.asarray(color.to_rgb(planes, layout=layout))
    assert np.allclose(found, rgb, atol=0.012 if depth == 8 else 0.003)
    white = dataclasses.replace(layout, family="rgb", full=True)
    back = color.changed(planes, jnp.zeros_like(found), source=layout, target=white)
    assert [int(p[0, 0, 0]) for p in back] == [round(np.clip(c, 0, 1) * white.top) for c in found[0, 0, 0, [1, 2, 0]]]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("siting", sorted(color.SITINGS))
def test_chroma_lies_where_its_siting_says(cell, siting):
    """A ramp of chroma, sampled where the siting puts the samples, comes back as the ramp away from the edges."""
    layout, size = Layout("yuv", 16, cell, siting=siting, full=True), 24
    places = []
    for factor, on in zip(cell, color.SITINGS[siting], strict=True):
        places.append(np.arange(size // factor) * factor + (0 if on or factor == 1 else (factor - 1) / 2))
    ramp = lambda y, x: 20000 + 300 * y[:, None] + 500 * x[None]
    chroma = jnp.asarray(np.rint(ramp(*places)).astype(np.uint16))[None]
    grey = jnp.full((1, size, size), 32768, jnp.uint16)
    rgb = np.asarray(color.to_rgb((grey, chroma, jnp.full_like(chroma, 32768)), layout=layout))
    kb = color.MATRICES["bt709"][1]
    found = (rgb[0, ..., 2] - rgb[0, 0, 0, 0]) / (2 * (1 - kb)) * 65535 + 32768
    inner = slice(4, -4)
    wanted = ramp(np.arange(size), np.arange(size))
    assert np.allclose(found[inner, inner], wanted[inner, inner], atol=1.5)
    target = dataclasses.replace(layout, cell=(1, 1))
    up = color.changed((grey, chroma, chroma), jnp.zeros_like(rgb), source=layout, target=target)
    down = color.changed(up, jnp.zeros_like(rgb), source=target, target=layout)
    assert np.allclose(down[1][0, 2:-2, 2:-2], chroma[0, 2:-2, 2:-2], atol=1), "and back"


@settings(max_examples=8)
@given(st.sampled_from(CELLS), st.sampled_from([8, 10]), st.booleans(), st.integers(0, 99))
def test_a_change_arrives(cell, depth, full, seed):
    """An even change of colour moves what is decoded by as much, to the rounding of the codes."""
    layout = Layout("yuv", depth, cell, full=full)
    rng = np.random.default_rng(seed)
    middle = 2 ** (depth - 1)
    planes = tuple(
        jnp.asarray(rng.integers(middle - 9, middle + 9, (1, *s)), layout.dtype) for s in layout.shapes(7, 9)
    )
    rgb = color.to_rgb(planes, layout=layout)
    delta = jnp.broadcast_to(jnp.asarray(rng.uniform(-0.1, 0.1, 3), jnp.float32), rgb.shape)
    after = color.to_rgb(color.changed(planes, delta, source=layout, target=layout), layout=layout)
    assert float(jnp.abs(after - rgb - delta).max()) < 2.2 / 2 ** (depth - 1)


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_changes_outside_a_mask(cell):
    layout, rng = Layout("yuv", 10, cell), np.random.default_rng(0)
    planes = codes(layout, 13, 18)
    mask = (rng.random((13, 18)) < 0.8).astype(np.float32)
    delta = jnp.asarray(rng.uniform(-0.3, 0.3, (2, 13, 18, 3)), jnp.float32)
    after = color.changed(planes, delta, jnp.asarray(np.stack([mask, mask])), source=layout, target=layout)
    big = [np.asarray(p).repeat(cell[0], 1).repeat(cell[1], 2)[:, :13, :18] for p in (*planes[1:], *after[1:])]
    outside = mask == 0
    assert np.array_equal(planes[0][:, outside], after[0][:, outside])
    assert np.array_equal(big[0][:, outside], big[2][:, outside])
    assert np.array_equal(big[1][:, outside], big[3][:, outside])
    assert not np.array_equal(planes[0], after[0])


def test_more_bits_hold_the_same_picture():
    for full in (False, True):
        source = Layout("yuv", 8, (2, 2), full=full)
        target = dataclasses.replace(source, depth=10)
        planes = codes(source, 8, 8)
        rgb = color.to_rgb(planes, layout=source)
        deeper = color.changed(planes, jnp.zeros_like(rgb), source=source, target=target)
        assert float(jnp.abs(color.to_rgb(deeper, layout=target) - rgb).max()) < 1 / 500
        if not full:
            assert np.array_equal(deeper[0], 4 * np.asarray(planes[0], np.uint16)), "limited range: two zero bits"
