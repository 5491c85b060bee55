"""Other people's networks: what spandrel makes of their weights is what ours make; files are read, never run."""

import io
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from tests import clips
from tests.test_export import facts, run, session
from tests.test_models import reaches
from tests.test_restorer import picture
from zoo import cli, pictures, registry
from zoo.community import torch_file, weights
from zoo.errors import InputError
from zoo.export import onnx_file
from zoo.models import convolution
from zoo.models.community import esrgan
from zoo.models.community.compact import CompactConfig
from zoo.models.community.dncnn import DnCNNConfig
from zoo.models.community.esrgan import EsrganConfig
from zoo.models.community.plksr import PlksrConfig
from zoo.models.community.span import BLOCKS, SpanConfig
from zoo.pictures import Picture
from zoo.tiles import Tiled

INPUTS = Path(__file__).parent / "inputs" / "community"
MADE = INPUTS / "spandrel.npz"  # what spandrel 0.4.2 with PyTorch 2.14.1 made: see `by_spandrel`
Shapes = dict[str, tuple[int, ...]]
LATER = ["dncnn normed x1", "dncnn grey x1", "plksr x2", "plksr x1"]


def conv(name: str, i: int, o: int, size: int = 3) -> Shapes:
    return {f"{name}.weight": (o, i, size, size), f"{name}.bias": (o,)}


def compact(width: int, convs: int, scale: int) -> Shapes:
    shapes = conv("body.0", 3, width)
    for k in range(convs):
        shapes |= conv(f"body.{2 * k + 2}", width, width)
    shapes |= {f"body.{2 * k + 1}.weight": (width,) for k in range(convs + 1)}
    return shapes | conv(f"body.{2 * convs + 2}", width, 3 * scale**2)


def esrgan_shapes(style: str, blocks: int, ups: int, fold: int = 1, width: int = 4, growth: int = 32) -> Shapes:
    entry, dense, trunk, up, last, end = {
        "new": ("conv_first", "body.{}.rdb{}.conv{}", "conv_body", "conv_up{}", "conv_hr", "conv_last"),
        "middle": ("conv_first", "RRDB_trunk.{}.RDB{}.conv{}", "trunk_conv", "upconv{}", "HRconv", "conv_last"),
        "old": ("model.0", "model.1.sub.{}.RDB{}.conv{}.0", f"model.1.sub.{blocks}", "", "", ""),
    }[style]
    names = [up.format(k + 1) for k in range(ups)]
    if style == "old":
        names, last, end = [f"model.{3 * k + 3}" for k in range(ups)], f"model.{3 * ups + 2}", f"model.{3 * ups + 4}"
    shapes = conv(entry, 3 * fold**2, width) | conv(end, width, 3)
    for name in (trunk, last, *names):
        shapes |= conv(name, width, width)
    for b in range(blocks):
        for part in (1, 2, 3):
            for k in range(5):
                shapes |= conv(dense.format(b, part, k + 1), width + k * growth, growth if k < 4 else width)
    return shapes


def span(width: int, scale: int, *, centred: bool = True) -> Shapes:
    def three(name: str, i: int, o: int) -> Shapes:
        parts = conv(f"{name}.conv.0", i, 2 * i, 1) | conv(f"{name}.conv.1", 2 * i, 2 * o)
        parts |= conv(f"{name}.conv.2", 2 * o, o, 1) | conv(f"{name}.sk", i, o, 1)
        return parts | conv(f"{name}.eval_conv", i, o)

    shapes = three("conv_1", 3, width) | three("conv_2", width, width)
    for block in range(BLOCKS):
        for k in range(3):
            shapes |= three(f"block_{block + 1}.c{k + 1}_r", width, width)
    shapes |= conv("conv_cat", 4 * width, width, 1) | conv("upsampler.0", width, 3 * scale**2)
    return shapes if centred else shapes | {"no_norm": (1,)}


def dncnn(width: int, depth: int, channels: int = 3, *, normed: bool = False) -> Shapes:
    shapes, at = conv("model.0", channels, width), 2
    for _ in range(depth - 2):
        shapes |= conv(f"model.{at}", width, width)
        if normed:
            parts = ("weight", "bias", "running_mean", "running_var")
            shapes |= {f"model.{at + 1}.{part}": (width,) for part in parts}
        at += 2 + normed
    return shapes | conv(f"model.{at}", width, channels)


def plksr(width: int, blocks: int, scale: int, norm: str, *, attends: bool = True, far: int = 4) -> Shapes:
    shapes = conv("feats.0", 3, width) | conv(f"feats.{blocks + 2}", width, 3 * scale**2)
    for k in range(blocks):
        name = f"feats.{k + 1}"
        shapes |= conv(f"{name}.channel_mixer.0", width, 2 * width) | conv(f"{name}.channel_mixer.2", 2 * width, width)
        shapes |= conv(f"{name}.lk.conv", far, far, 5) | conv(f"{name}.refine", width, width, 1)
        shapes |= conv(f"{name}.attn.f.0", width, width) if attends else {}
        shapes |= {f"{name}.{norm}.weight": (width,), f"{name}.{norm}.bias": (width,)}
    return shapes


KINDS: dict[str, tuple[Shapes, object]] = {
    "compact x4": (compact(4, 2, 4), CompactConfig(4, 2, 4)),
    "compact x1": (compact(4, 1, 1), CompactConfig(4, 1, 1)),
    "esrgan new x4": (esrgan_shapes("new", 1, 2), EsrganConfig(4, 32, 1, 2, 1)),
    "esrgan new x2": (esrgan_shapes("new", 1, 2, 2), EsrganConfig(4, 32, 1, 2, 2)),
    "esrgan new x1": (esrgan_shapes("new", 2, 2, 4), EsrganConfig(4, 32, 2, 2, 4)),
    "esrgan middle x4": (esrgan_shapes("middle", 1, 2), EsrganConfig(4, 32, 1, 2, 1)),
    "esrgan old x2": (esrgan_shapes("old", 1, 1), EsrganConfig(4, 32, 1, 1, 1)),
    "esrgan old x1": (esrgan_shapes("old", 2, 0), EsrganConfig(4, 32, 2, 0, 1)),
    "span x2": (span(4, 2), SpanConfig(4, 2, True)),
    "span x1": (span(4, 1, centred=False), SpanConfig(4, 1, False)),
    "dncnn x1": (dncnn(4, 8), DnCNNConfig(4, 8, 3)),
    "dncnn normed x1": (dncnn(4, 5, normed=True), DnCNNConfig(4, 5, 3)),
    "dncnn grey x1": (dncnn(4, 9, 1), DnCNNConfig(4, 9, 1)),
    "plksr x2": (plksr(16, 2, 2, "norm"), PlksrConfig(16, 2, 4, 5, True, "groups", 2)),
    "plksr x1": (plksr(16, 1, 1, "layer_norm", attends=False), PlksrConfig(16, 1, 4, 5, False, "channels", 1)),
}
REACHING = [CompactConfig(3, 2, 2), SpanConfig(3, 2), DnCNNConfig(3, 4, 3), DnCNNConfig(3, 2, 1)]
REACHING += [PlksrConfig(8, 1, 4, 5, True, "channels", 2), EsrganConfig(3, 2, 1, 0, 1), EsrganConfig(3, 2, 1, 1, 1)]
REACHING += [EsrganConfig(3, 2, 1, ups, fold) for ups, fold in ((2, 1), (2, 2), (2, 4), (3, 1))]


def state(kind: str) -> dict[str, np.ndarray]:
    """Weights of the file's names, by a generator that never changes; small, so that nothing saturates."""
    rng, found = np.random.RandomState(len(kind)), {}
    for name, shape in KINDS[kind][0].items():
        spread = (1 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
        if name in ("conv_1.sk.weight", "conv_1.conv.2.weight") and kind == "span x2":
            spread /= 255  # which it multiplies pictures by
        if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            found[name] = np.asarray(0.5 + rng.random_sample(shape), np.float32)
            continue
        found[name] = np.asarray(spread * rng.standard_normal(shape), np.float32)
    return found


def file(folder: Path, kind: str, metadata: dict[str, str] | None = None) -> Path:
    path = folder / f"{kind.replace(' ', '-')}.safetensors"
    path.write_bytes(safetensors.numpy.save(state(kind), metadata=metadata))
    return path


def seen() -> np.ndarray:
    return picture(1, 8, 12, 3)


def by_spandrel(kind: str) -> np.ndarray:
    """What spandrel makes of the same weights and picture. MADE holds it of each of KINDS."""
    import spandrel
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = spandrel.ModelLoader("cpu").load_from_state_dict({k: torch.tensor(v) for k, v in state(kind).items()})
        x = torch.tensor(seen().transpose(0, 3, 1, 2))
        with torch.no_grad():  # grey networks see each colour by itself
            y = model.model.eval()(x.reshape(-1, model.input_channels, *x.shape[2:])).reshape(x.shape[0], 3, -1)
    y = y.reshape(1, 3, model.scale * x.shape[2], -1)
    return y.numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_ours_equal_spandrels(kind, tmp_path):
    network = registry.load(file(tmp_path, kind))
    assert network.config == KINDS[kind][1]
    assert network.config.task == ("denoise" if kind.endswith("x1") else "upscale")
    wanted = np.load(MADE)[kind]
    assert wanted.std() > 0.01
    np.testing.assert_allclose(network(jnp.asarray(seen())), wanted, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_spandrel_still_makes_what_is_kept_of_it(kind):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("spandrel", reason="spandrel is not installed")
    np.testing.assert_allclose(by_spandrel(kind), np.load(MADE)[kind], atol=1e-4)


@pytest.mark.parametrize("config", REACHING, ids=str)
def test_halo_is_how_far_one_pixel_reaches(config, monkeypatch):
    monkeypatch.setattr(convolution, "_suits_winograd", lambda x, kernel: False)
    assert reaches(config.build(nnx.Rngs(0)), by=1e30) == config.halo


@pytest.mark.parametrize("config", [CompactConfig(3, 1, 2), EsrganConfig(3, 2, 1, 2, 2), SpanConfig(3, 1)], ids=str)
def test_tiled_is_the_whole(config):
    network, x = config.build(nnx.Rngs(1)), picture(1, 2 * config.halo + 70, 40, 3)
    tile = 64 + 2 * -(-config.halo // config.multiple) * config.multiple
    np.testing.assert_allclose(Tiled(network, tile=tile)(x), Tiled(network, tile=1024)(x), atol=1e-5)


@pytest.mark.parametrize("config", [EsrganConfig(3, 2, 1, 2, 1), EsrganConfig(3, 2, 1, 0, 1)], ids=str)
def test_rows_one_after_the_other_are_the_whole(config, monkeypatch):
    network, x = config.build(nnx.Rngs(1)), jnp.asarray(picture(2, 21, 9, 3))
    for layer in (*network.ups, network.last, network.exit):  # which rows beyond the picture would show
        layer.bias[...] = jnp.full_like(layer.bias[...], 0.5)
    whole = network(x)
    monkeypatch.setattr(esrgan, "_ROWS", 4)
    np.testing.assert_allclose(network(x), whole, atol=1e-5)


# ---- files


@pytest.mark.parametrize("name", ["zipped.pth", "legacy.pth", "wrapped.pth"])
def test_what_torch_wrote_is_read_as_it_was_saved(name):
    """By PyTorch 2.14.1, with `torch.save` in both of its forms, and as a trainer saves it, in half precision."""
    found = weights.read(INPUTS / name).arrays
    wanted = {key: np.asarray(value, np.float32) for key, value in state("compact x1").items()}
    assert found.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], atol=1e-3 if name == "wrapped.pth" else 0)


class Evil:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def zipped(pickled: bytes, storages: dict[str, bytes] | None = None, kind: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        archive.writestr("a/data.pkl", pickled)
        for key, data in (storages or {}).items():
            archive.writestr(f"a/data/{key}", data)
    return out.getvalue()


def described(shape: tuple[int, ...], strides: tuple[int, ...], count: int = 4, offset: int = 0) -> bytes:
    """The pickle of {"body.0.weight": a tensor}, written by hand."""

    def ints(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", value) for value in values) + b"t"

    text = lambda word: b"X" + struct.pack("<I", len(word)) + word.encode()
    storage = (
        b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + ints((count,))[1:-1] + b"tQ"
    )
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + ints((offset,))[1:-1] + ints(shape) + ints(strides)
    return b"\x80\x02}" + text("body.0.weight") + made + b"\x89}tRs."


FAR = 2**40
HOSTILE = {
    "a stride of 0": (zipped(described((FAR,), (0,)), {"0": bytes(16)}), "holds more than"),
    "beyond its storage": (zipped(described((3,), (2,)), {"0": bytes(16)}), "reaches beyond"),
    "before its storage": (zipped(described((2,), (1,), offset=-1), {"0": bytes(16)}), "reaches beyond"),
    "of a storage that is short": (zipped(described((4,), (1,)), {"0": bytes(8)}), "reaches beyond"),
    "of a storage that is not there": (zipped(described((4,), (1,))), "lacks its part 'data/0'"),
    "packed a thousandfold": (zipped(described((4,), (1,)), {"0": bytes(2**24)}, zipfile.ZIP_DEFLATED), "cannot be"),
    "a memo of 2^31 places": (zipped(b"\x80\x02]r\xff\xff\xff\x7f."), "holds no weights by name"),
    "a text that is said to be long": (zipped(b"\x80\x02X\xff\xff\xff\x7fabc."), "broken"),
    "a class of somebody": (zipped(pickle.dumps(InputError("x"), 2)), "asks for zoo.errors.InputError"),
    "a persistent something": (zipped(b"\x80\x02}X\x01\x00\x00\x00a(tQs."), "broken"),
    "nothing at all": (b"", "is no file of weights"),
    "cut short": (zipped(described((4,), (1,)), {"0": bytes(16)})[:-30], "no whole file"),
    "another zip": (zipped(b"").replace(b"data.pkl", b"data.txt"), "it has no data.pkl"),
    "a legacy head alone": (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "or a broken one"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_and_broken_files_end_in_a_sentence(what, folder, capsys):
    data, said = HOSTILE[what]
    (folder / "a.pth").write_bytes(data)
    pictures.write(folder / "a.png", Picture(np.zeros((8, 8, 3), np.uint8)))
    assert cli.main(["restore", "a.png", "-o", "b.png", "-m", "a.pth"]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not (folder / "b.png").exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_no_pickle_is_run(protocol, tmp_path):
    evil = pickle.dumps({"weight": Evil(tmp_path / "ran")}, protocol)
    for data in (zipped(evil), pickle.dumps(torch_file._MAGIC, 2) + pickle.dumps(1001, 2) + evil, evil):
        (tmp_path / "a.pth").write_bytes(data)
        with pytest.raises(InputError):
            registry.load(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path):
    def refused(arrays: dict[str, np.ndarray]) -> str:
        (tmp_path / "a.safetensors").write_bytes(safetensors.numpy.save(arrays))
        with pytest.raises(InputError) as e:
            registry.load(tmp_path / "a.safetensors")
        return str(e.value)

    arrays = state("compact x4")
    assert "is for a network that filmzoo does not have (it holds x)" in refused({"x": np.ones(3, np.float32)})
    assert "missing convs.1.bias" in refused({k: v for k, v in arrays.items() if k != "body.2.bias"})
    assert "has more than that, such as extra" in refused(arrays | {"extra": np.ones(3, np.float32)})
    assert "no finite numbers, in body.0.bias" in refused(arrays | {"body.0.bias": np.full(4, np.nan, np.float32)})
    assert "convs.1.bias is (3,), not (4,)" in refused(arrays | {"body.2.bias": np.ones(3, np.float32)})
    assert "do not fit" in refused(arrays | {"body.6.weight": np.ones((49, 4, 3, 3), np.float32)})


# ---- in use


def test_restore_says_the_licence_and_makes_the_picture_larger(folder, capsys):
    pictures.write(folder / "a.png", Picture(picture(16, 18, 3, dtype=np.uint8)))
    stated = file(folder, "compact x4", {"license": "CC-BY-4.0"})
    assert cli.main(["restore", "a.png", "-o", "b.png", "-m", stated.name]) == 0
    assert "compact-x4.safetensors (Real-ESRGAN compact) states its licence: CC-BY-4.0" in capsys.readouterr().err
    network = registry.load(stated)
    wanted = np.clip(network(jnp.asarray(pictures.read(folder / "a.png").samples[None] / np.float32(255))), 0, 1)[0]
    made = pictures.read(folder / "b.png").samples
    assert made.shape == (64, 72, 3)
    assert np.abs(made - 255 * wanted).max() < 0.6
    silent = file(folder, "esrgan new x1")
    assert cli.main(["restore", "a.png", "-o", "c.png", "--steps", f"denoise={silent.name},upscale=2x:model=none"]) == 0
    assert "esrgan-new-x1.safetensors (ESRGAN) states no licence; look where" in capsys.readouterr().err
    assert pictures.read(folder / "c.png").samples.shape == (32, 36, 3)


def test_a_film_is_made_larger_in_a_chain_with_them(folder, capsys):
    clips.write(folder / "in.mkv", size=(16, 16), pictures=[np.full((24, 16), 90 + k, np.uint8) for k in range(5)])
    small, large = file(folder, "compact x1").name, file(folder, "compact x4").name
    steps = f"denoise={small}:strength=0.5,upscale=48x48:model={large}"
    assert cli.main(["restore", "in.mkv", "-o", "out.mkv", "--steps", steps]) == 0
    assert capsys.readouterr().err.count("states no licence") == 2
    assert [(frame.width, frame.height) for frame in clips.read(folder / "out.mkv")] == [(48, 48)] * 5


@pytest.mark.parametrize("kind", ["compact x4", "esrgan new x2", "esrgan old x1", "span x2", "span x1", *LATER])
def test_they_are_exported_too(kind, tmp_path):
    path = file(tmp_path, kind, {"licence": "CC0"})
    exported = session(onnx_file.made(path))
    about = facts(exported)
    config = KINDS[kind][1]
    assert (about["licence"], int(about["scale"]), int(about["multiple"])) == ("CC0", config.scale, config.multiple)
    np.testing.assert_allclose(
        run(exported, seen()), np.clip(registry.load(path)(jnp.asarray(seen())), 0, 1), atol=1e-5
    )
