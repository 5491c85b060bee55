"""Looks: the same numbers as OpenColorIO's, files that come back, and files that are none."""

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.chain import Chain
from zoo.errors import FlagError, InputError
from zoo.looks import files
from zoo.looks.look import Cdl, Cube, Curves, Look, lattice
from zoo.steps.grade import _chroma, graded
from zoo.steps.step import Kind

COLOURS = np.random.default_rng(0).uniform(-0.2, 1.2, (40, 50, 3)).astype(np.float32)
CDL = Cdl((1.1, 0.95, 0.9), (0.02, -0.01, 0.015), (1.1, 0.95, 1.05), 0.8)


def warm(n: int) -> np.ndarray:
    """A cube of a smooth look, with what differs along each of its sides."""
    x = lattice(n)
    return (0.9 * x**1.2 + 0.1 * x[..., [1, 2, 0]] * x + [0.05, 0.02, 0.0]).astype(np.float32)


LOOKS = {
    "cube": Look(cube=Cube(warm(9)), title="warm evening"),
    "domain": Look(cube=Cube(warm(5), (-0.1, 0.0, 0.1), (1.1, 1.0, 0.9))),
    "curves": Look(curves=Curves(np.linspace(0, 1, 17, dtype=np.float32)[:, None] ** np.float32([0.8, 1.0, 1.3]))),
    "cdl": Look(cdl=CDL, title="dusk"),
}


def by_ocio(path, colours: np.ndarray, interpolation: str) -> np.ndarray:
    ocio = pytest.importorskip("PyOpenColorIO")
    how = {"tetrahedral": ocio.INTERP_TETRAHEDRAL, "trilinear": ocio.INTERP_LINEAR}[interpolation]
    transform = ocio.FileTransform(src=str(path), interpolation=how)
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    out = colours.reshape(-1, 3).copy()
    processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB(out)
    return out.reshape(colours.shape)


@pytest.mark.parametrize("interpolation", ["tetrahedral", "trilinear"])
@pytest.mark.parametrize(
    ("name", "suffix"),
    [("cube", ".cube"), ("domain", ".cube"), ("cdl", ".cc"), ("cdl", ".ccc"), ("cdl", ".cdl")],
)
def test_what_is_written_does_the_same_in_opencolorio(name, suffix, interpolation, tmp_path):
    path = tmp_path / f"look{suffix}"
    files.write(path, LOOKS[name])
    ours = files.read(path)(jnp.asarray(COLOURS), interpolation)
    np.testing.assert_allclose(ours, by_ocio(path, COLOURS, interpolation), atol=1e-5)
    np.testing.assert_allclose(ours, LOOKS[name](jnp.asarray(COLOURS), interpolation), atol=1e-5)
    assert files.read(path).title == LOOKS[name].title or not LOOKS[name].title


def test_curves_and_a_cube_in_one_file_as_resolve_writes_them(tmp_path):
    curve, cube = np.linspace(0, 1, 5)[:, None] ** [0.5, 1, 2], warm(3).transpose(2, 1, 0, 3).reshape(-1, 3)
    rows = "\n".join(" ".join(f"{x:.7f}" for x in row) for row in [*curve, *cube])
    path = tmp_path / "both.cube"
    head = "# by hand\nLUT_1D_SIZE 5\nLUT_1D_INPUT_RANGE 0.0 1.0\nLUT_3D_SIZE 3\nLUT_3D_INPUT_RANGE 0 1\n\n"
    path.write_text(head + rows + "\n")
    look = files.read(path)
    assert (len(look.curves.table), len(look.cube.table)) == (5, 3)
    np.testing.assert_allclose(look(jnp.asarray(COLOURS)), by_ocio(path, COLOURS, "tetrahedral"), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in LOOKS if name != "cube"])
def test_any_look_becomes_a_cube_that_does_nearly_the_same(name, tmp_path):
    path, inside = tmp_path / "any.cube", jnp.asarray(COLOURS.clip(0.12, 0.88))
    files.write(path, LOOKS[name])
    np.testing.assert_allclose(files.read(path)(inside), LOOKS[name](inside), atol=4e-3)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), st.integers(2, 6))
def test_a_cube_of_corners_changes_nothing_and_a_corner_is_met_exactly(colour, n):
    rgb = jnp.asarray(colour)
    for interpolation in ("tetrahedral", "trilinear"):
        np.testing.assert_allclose(Cube(lattice(n))(rgb, interpolation), rgb, atol=1e-6)
        np.testing.assert_array_equal(Cube(warm(n))(jnp.asarray(lattice(n)), interpolation), warm(n))


def test_the_strength_is_a_share_and_none_of_it_is_the_picture_to_the_bit(tmp_path):
    files.write(path := tmp_path / "warm.cube", LOOKS["cube"])
    picture = jax.random.uniform(jax.random.key(0), (20, 30, 3))
    whole, half, none = (Chain(f"grade={path}:strength={k}")(picture) for k in (1, 0.5, 0))
    np.testing.assert_array_equal(none, picture)
    changed = LOOKS["cube"](picture) - picture
    np.testing.assert_allclose(half, (picture + 0.5 * changed).clip(0, 1), atol=1e-6)
    np.testing.assert_allclose(whole, (picture + changed).clip(0, 1), atol=1e-6)
    identities = [Chain(f"grade={path}:strength={k}").identity() for k in (1, 0.5)]
    assert identities[0] != identities[1]


def test_skin_keeps_its_hue_and_what_is_no_skin_is_graded():
    skin = np.float32([[0.85, 0.65, 0.53], [0.45, 0.29, 0.2], [0.95, 0.8, 0.72], [0.6, 0.42, 0.33]])[None]
    others = np.float32([[0.2, 0.4, 0.8], [0.3, 0.7, 0.3], [0.5, 0.5, 0.5]])[None]
    green = Look(cdl=Cdl(offset=(-0.03, 0.06, -0.02)))
    options = {"look": green, "strength": 1.0, "interpolation": "tetrahedral"}
    hue = lambda x: np.degrees(np.arctan2(*_chroma(jnp.asarray(x))[::-1]))
    protected, plain = (graded(jnp.asarray(skin), skin=on, **options) for on in (True, False))
    assert (np.abs(hue(plain) - hue(skin)) > 2.1).all()
    assert (np.abs(hue(protected) - hue(skin)) < 2.01).all()
    np.testing.assert_allclose(
        graded(jnp.asarray(others), skin=True, **options), graded(jnp.asarray(others), skin=False, **options), atol=1e-6
    )


CUBE = "LUT_3D_SIZE 2\n" + "0.5 0.5 0.5\n" * 8


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.cube", CUBE + "0 0 0\n", "has 9 colours, not the 8 that it says"),
        ("a.cube", CUBE.replace("0.5", "nan", 1), "a colour that is not finite"),
        ("a.cube", CUBE.replace("0.5", "half", 1), "a colour that is no number"),
        ("a.cube", CUBE.replace("0.5 ", "", 1), "line 2: a colour has three numbers"),
        ("a.cube", "DOMAIN_MIN 1 1 1\n" + CUBE, "its domain is none"),
        ("a.cube", "DOMAIN_MAX 1 1\n" + CUBE, "its domain is none"),
        ("a.cube", "LUT_3D_SIZE 1000000000000\n", "LUT_3D_SIZE must be 2 to 129, not '1000000000000'"),
        ("a.cube", CUBE.replace("3D", "1D"), "has 8 colours, not the 2 that it says"),
        ("a.cube", CUBE + "TITLE x\n", "line 10: TITLE after the colours"),
        ("a.cube", "0 0 0\n", "says neither LUT_1D_SIZE nor LUT_3D_SIZE"),
        ("a.cube", b"\xff\xfe\x00\x01", "is no text"),
        ("a.cc", "<ColorCorrection>", "is no XML"),
        ("a.cc", "<x/>", "holds 0 corrections"),
        ("a.cc", "<ColorCorrection><Slope>1 1</Slope></ColorCorrection>", "each has three numbers"),
        ("a.cc", "<ColorCorrection><Power>0 1 1</Power></ColorCorrection>", "powers above 0"),
        ("a.cc", '<!DOCTYPE a [<!ENTITY b SYSTEM "c">]><ColorCorrection/>', "has a document type"),
        ("a.3dl", "nothing", "no table that OpenColorIO reads"),
    ],
)
def test_what_is_no_look_is_said(name, text, sentence, tmp_path):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=sentence):
        files.read(path)


def test_other_mistakes_are_said_before_any_work(tmp_path):
    files.write(path := tmp_path / "warm.cube", LOOKS["cube"])
    for wrong, sentence in [
        (lambda: files.read("look.png"), "no suffix of a look; the kinds are: .cube, .cc"),
        (lambda: files.read(tmp_path / "none.cube"), "is missing"),
        (lambda: files.write(tmp_path / "look.cc", LOOKS["cube"]), "holds a colour decision list alone"),
        (lambda: Chain(f"grade={path}:strength=2"), "strength=2 must be from 0 to 1"),
        (lambda: Chain(f"grade={path}").kinds(Kind(8, 8, colour="grey")), "the film has none"),
    ]:
        with pytest.raises((FlagError, InputError), match=sentence):
            wrong()


@pytest.mark.parametrize("name", ["cube", "cdl"])
def test_ffmpeg_s_lut3d_does_the_same(name, tmp_path):
    path = tmp_path / "look.cube"
    files.write(path, LOOKS[name])
    rgb = np.random.default_rng(0).random((16, 24, 3), np.float32)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=24, height=16, format="gbrpf32le", time_base="1/25")
    made = graph.add("lut3d", f"file={path}:interp=trilinear")
    graph.link_nodes(source, made, graph.add("buffersink")).configure()
    graph.push(av.VideoFrame.from_ndarray(rgb, "gbrpf32le"))
    theirs = graph.pull().to_ndarray()
    np.testing.assert_allclose(theirs, files.read(path)(jnp.asarray(rgb), "trilinear"), atol=1e-5)
