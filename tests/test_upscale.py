"""`upscale`: where pictures go, by the conventions of television; that nothing is stretched, moved or tinted."""

from fractions import Fraction

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests import clips
from train import upscale as train_upscale
from zoo import cli, registry
from zoo.errors import FlagError
from zoo.models.upscale import UpscaleConfig
from zoo.resize import resized
from zoo.steps.step import Kind
from zoo.steps.upscale import Upscale

PAL, PAL_WIDE, NTSC = Kind(576, 720, Fraction(16, 15)), Kind(576, 720, Fraction(64, 45)), Kind(480, 720, Fraction(8, 9))


def upscale(to: str, **options) -> Upscale:
    return Upscale(to, model="none", **options)


@pytest.mark.parametrize(
    ("kind", "to", "options", "size", "part"),
    [
        (PAL, "1080p", {}, (1080, 1440), (0, 0, 576, 720)),  # no bars unless they are asked for
        (PAL, "1080p", {"fit": "pad"}, (1080, 1920), (0, 0, 576, 720)),
        (PAL, "1080p", {"fit": "crop"}, (1080, 1920), (72, 0, 504, 720)),
        (PAL_WIDE, "1080p", {}, (1080, 1920), (0, 0, 576, 720)),
        (PAL, "2048x1556", {}, (1536, 2048), (0, 0, 576, 720)),  # 1.316, not 4:3
        (PAL, "2048x1556", {"fit": "pad"}, (1556, 2048), (0, 0, 576, 720)),
        (PAL, "1080p", {"sar": "itu", "crop": "blanking"}, (1080, 1440), (0, 8, 576, 712)),
        (NTSC, "1080p", {"sar": "itu", "crop": "blanking"}, (1080, 1440), (0, 8, 480, 712)),
        (Kind(640, 480), "1080p", {}, (1440, 1080), (0, 0, 640, 480)),  # a telephone's, upright
        (Kind(77, 101), "2x", {}, (154, 202), (0, 0, 77, 101)),
        (Kind(1, 1), "4x", {}, (4, 4), (0, 0, 1, 1)),
    ],
)
def test_where_a_picture_goes(kind, to, options, size, part):
    step = upscale(to, **options)
    frame = step.frame(kind)
    assert frame.size == size
    assert frame.part == part
    out = step.kind(kind)
    assert (out.height, out.width, out.aspect, out.own) == (*size, 1, "none")


@pytest.mark.parametrize("fit", ["inside", "pad", "crop"])
@pytest.mark.parametrize("to", ["1080p", "2048x1556", "1101x999", "1.37x"])
@pytest.mark.parametrize("kind", [PAL, PAL_WIDE, NTSC, Kind(353, 241, Fraction(12, 11))])
def test_nothing_is_stretched_and_centres_lie_on_each_other(kind, to, fit):
    frame = upscale(to, fit=fit).frame(kind)
    part, bars = frame.part, frame.bars
    down, across = frame.height / (part.bottom - part.top), frame.width / (part.right - part.left) / float(kind.aspect)
    assert down == pytest.approx(across, rel=1e-9)
    assert part.top + part.bottom == pytest.approx(kind.height)
    assert part.left + part.right == pytest.approx(kind.width)
    assert all(0 <= after - before < 4 for before, after in bars)
    if fit != "crop":  # no more than the rounding of a side is lost or mirrored
        assert abs(part.bottom - part.top - kind.height) * down <= 2
        assert abs(part.right - part.left - kind.width) * down * kind.aspect <= 2


@pytest.mark.parametrize(
    ("kind", "to", "options", "sentence"),
    [
        (PAL, "900000x700000", {}, "GiB of memory, and .* are free; choose a smaller size"),
        (PAL, "1081p", {}, "to=1081p is no size; write WIDTHxHEIGHT"),
        (PAL, "x", {}, "is no size"),
        (PAL, "0x0", {}, "to=0x0 is smaller than the picture, which has 768x576 square samples"),
        (PAL, "640x480", {}, "smaller than the picture"),
        (PAL, "0.5x", {}, "smaller than the picture"),
        (Kind(576, 720, fields="top first"), "2x", {}, "write deinterlace before it"),
        (Kind(576, 720), "2x", {"sar": "itu"}, "sar=itu knows no like of 1:1, only of 16:15, 64:45, 8:9, 32:27"),
        (PAL, "2x", {"sar": "0/1"}, "sar=0/1 must be file, itu or the aspect of a sample"),
        (Kind(1080, 1920), "2x", {"crop": "blanking"}, "crop=blanking is for 720 columns, not 1920"),
    ],
)
def test_what_cannot_be_is_said(kind, to, options, sentence):
    with pytest.raises(FlagError, match=sentence):
        upscale(to, **options).kind(kind)


@pytest.fixture
def network(tmp_path) -> str:
    """A training run's folder with a small network of random weights."""
    config = UpscaleConfig(width=4, blocks=1)
    params = nnx.to_pure_dict(nnx.state(config.build(nnx.Rngs(3)), nnx.Param))
    facts = {"task": "upscale", "licence": "Apache-2.0", "data": {}, "recipe": {}, "images": 1, "validation": {}}
    registry.save(tmp_path / "run", "upscale", config, params, {}, facts)
    return str(tmp_path / "run")


def test_a_picture_is_what_its_network_makes_of_it(network):
    picture = jax.random.uniform(jax.random.key(0), (21, 34, 3))
    whole = registry.load(network)(picture[None])[0].clip(0, 1)
    np.testing.assert_allclose(zoo.Chain(f"upscale=2x:model={network}")(picture), whole, atol=1e-6)
    larger = zoo.Chain(f"upscale=3x:model={network}")(picture)
    np.testing.assert_allclose(larger, resized(whole, 63, 102).clip(0, 1), atol=1e-5)
    constant = zoo.Chain("upscale=64x99:model=none")(jnp.full((21, 34, 3), 0.3))
    np.testing.assert_allclose(constant, 0.3, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3])
def test_what_a_training_run_learned_makes_pictures_larger(scale, picture_folder, tmp_path):
    """Twice as large, whichever scale it was taught."""
    line = [
        f"--data={picture_folder}",
        f"--workdir={tmp_path}",
        f"--scale={scale}",
        "--network=upscale:width=4,blocks=1",
    ]
    assert train_upscale.main([*line, "--batch=2", "--crop=24", "--images=4", "--checkpoints=1", "--valid=2"]) == 0
    about = zoo.card(tmp_path)
    assert (about["network"], about["config"]["scale"], about["images"]) == ("upscale", scale, 4)
    picture = np.random.default_rng(0).random((16, 21, 3), np.float32)
    larger = zoo.Chain(f"upscale=2x:model={tmp_path}")(picture)
    whole = registry.load(str(tmp_path))(jnp.asarray(picture)[None]).clip(0, 1)[0]
    np.testing.assert_allclose(larger, resized(whole, 32, 42).clip(0, 1), atol=1e-5)


@pytest.mark.parametrize(
    ("to", "aspect", "name"),
    [
        ("1.5x", 1, "upscale-x2"),
        ("2x", 1, "upscale-x2"),
        ("2.5x", 1, "upscale-x4"),
        ("6x", 1, "upscale-x4"),
        ("1080p", Fraction(16, 15), "upscale-x2"),  # 1440 of 720 columns
        ("1080p", Fraction(64, 45), "upscale-x4"),  # 1920 of them
    ],
)
def test_the_network_is_the_smallest_that_makes_pictures_as_large(to, aspect, name):
    assert Upscale(to).network(Kind(576, 720, Fraction(aspect))) == name


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_flat_place_stays_flat_through_the_network(value):
    """To a tenth of a code, away from the border, beyond which a network sees grey."""
    larger = zoo.Chain("upscale=2x")(np.full((40, 40, 3), value, np.float32))
    np.testing.assert_allclose(255 * np.asarray(larger)[24:56, 24:56], 255 * value, atol=0.1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_picture_stays_of_its_kind(dtype, channels):
    top = np.iinfo(dtype).max if dtype != "float32" else 1
    samples = (np.random.default_rng(0).random((11, 14, channels)) * top).astype(dtype)
    if channels in (2, 4):
        samples[..., -1] = top // 2 if dtype != "float32" else 0.5
    out = zoo.Chain("upscale=2x:model=none")(samples)
    assert out.shape == (22, 28, channels)
    assert out.dtype == samples.dtype
    if channels in (2, 4):
        assert np.ptp(out[..., -1].astype(float)) <= 1e-6 * top
        assert abs(float(out[..., -1].mean()) - top / 2) <= 1


def restore(*words: str) -> int:
    return cli.main(["restore", *words, "--progress", "off"])


def pal(path, **tags) -> None:
    """Four frames of 720x576 with codes below black and above white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 58, "yuv420p"
        context = stream.codec_context
        context.sample_aspect_ratio = Fraction(16, 15)
        for name, value in tags.items():
            setattr(context, name, value)
        for k in range(4):
            luma = np.full((58, 72), 8 + k, np.uint8)
            luma[:, 36:] = 250
            chroma = np.full((29, 72), 128, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), "yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_television_becomes_rec_709_and_keeps_its_codes(folder, network, capsys):
    pal("in.mkv", colorspace=5)
    assert restore("in.mkv", "-o", "out.mkv", "--steps", "upscale=1280x1080:model=none") == 0
    assert "bt470bg and becomes bt709" in capsys.readouterr().err
    with av.open("out.mkv") as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 4
    for k, frame in enumerate(frames):
        planes = frame.to_ndarray()
        assert (int(frame.colorspace), int(frame.color_primaries)) == (1, 5)
        height, width = frame.height, frame.width
        assert width % 2 == height % 2 == 0
        assert planes[height // 2, width // 4] == 8 + k
        assert planes[height // 2, 3 * width // 4] == 250
        assert (planes[height:] == 128).all()


def test_a_film_in_segments_and_shards_is_the_whole(folder, network):
    pal("in.mkv")
    steps = f"upscale=150x120:fit=pad:model={network}"
    words = ["in.mkv", "--steps", steps, "--batch", "1", "-o"]
    assert restore(*words, "whole.mkv") == 0
    assert restore(*words, "parts.mkv", "--segment", "1") == 0
    for shard in ("2/2", "1/2"):
        assert restore(*words, "shards.mkv", "--segment", "2", "--shard", shard) == 0
    assert clips.same("parts.mkv", "whole.mkv")
    assert clips.same("shards.mkv", "whole.mkv")


def test_a_network_for_something_else_is_refused():
    with pytest.raises(FlagError, match="fast-gaussian is a network for the task 'denoise'"):
        zoo.Chain("upscale=2x:model=fast-gaussian").kinds(Kind(8, 8))
