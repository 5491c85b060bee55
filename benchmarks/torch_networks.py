"""The zoo's networks as a PyTorch user would write them, filled with the zoo's own weights.

Pictures are [n c h w]. `convert(network)` gives the twin of a network of the zoo; `fill` puts a network's arrays,
nested as its state is, into a module with the same names.
"""

from typing import Any

import numpy as np
import torch
from flax import nnx
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models.cyclegan import PatchConfig, ResidualConfig
from zoo.models.densenet import DenseNetConfig
from zoo.models.gan import DiscriminatorConfig, PlainConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.unet import UNetConfig


def convert(network: nnx.Module) -> nn.Module:
    """The twin of a network, in evaluation mode."""
    module = build(network.config)
    fill(module, nnx.to_pure_dict(nnx.state(network)))
    return module.eval()


def build(config: Any) -> nn.Module:
    """The twin of the network that `config` builds, with PyTorch's own first weights."""
    if getattr(config, "impulse", False):
        raise NotImplementedError("the filter that salt-and-pepper networks begin with has no PyTorch twin")
    match config:
        case ResNetConfig():
            blocks = [ResidualBlock(config.width, config.norm, "zeros") for _ in range(config.blocks)]
            return Denoiser(config, nn.Sequential(*blocks))
        case PlainConfig():
            layers = [PlainLayer(config.width, config.norm) for _ in range(config.depth)]
            return Denoiser(config, nn.Sequential(*layers))
        case DenseNetConfig():
            block = lambda: DenseBlock(config.width, config.growth, config.layers, config.norm)
            return Denoiser(config, nn.Sequential(*(block() for _ in range(config.blocks))))
        case UNetConfig():
            return Denoiser(config, UNet(config))
    return {ResidualConfig: ResidualGenerator, PatchConfig: PatchDiscriminator, DiscriminatorConfig: Discriminator}[
        type(config)
    ](config)


# Weights


def fill(module: nn.Module, arrays: Any) -> None:
    """Puts a network's arrays into its twin."""
    if hasattr(module, "fill"):
        module.fill(arrays)
    elif isinstance(module, nn.ConvTranspose2d):
        put(module, arrays["kernel"].transpose(2, 3, 0, 1), arrays.get("bias"))
    elif isinstance(module, nn.Conv2d):
        put(module, arrays["kernel"].transpose(3, 2, 0, 1), arrays.get("bias"))
    elif isinstance(module, nn.Linear):
        put(module, arrays["kernel"].T, arrays["bias"])
    elif isinstance(module, nn.BatchNorm2d):
        put(module, arrays["scale"], arrays["bias"])
        module.running_mean.copy_(tensor(arrays["mean"]))
        module.running_var.copy_(tensor(arrays["var"]))
    else:
        arrays = arrays["layers"] if isinstance(module, nn.Sequential) else arrays
        for name, child in module.named_children():
            key = int(name) if name.isdigit() else name
            if key in arrays:  # else it has no weights
                fill(child, arrays[key])


def put(module: Any, weight: Any, bias: Any) -> None:
    with torch.no_grad():
        module.weight.copy_(tensor(weight))
        if bias is not None:
            module.bias.copy_(tensor(bias))


def tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


# What the networks share


def norm(kind: str, channels: int) -> nn.Module:
    kinds = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
    return kinds[kind](channels) if kind in kinds else nn.Identity()


class Folded(nn.Module):
    """Blocks of pixels into channels, then a convolution."""

    def __init__(self, i: int, o: int, side: int):
        super().__init__()
        self.fold, self.conv = nn.PixelUnshuffle(side), nn.Conv2d(i * side**2, o, 3, padding=1)
        self.order = channels_first(i, side)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.fold(x))

    def fill(self, arrays: Any) -> None:
        fill(self.conv, arrays | {"kernel": np.asarray(arrays["kernel"])[:, :, self.order]})


class Unfolded(nn.Module):
    """A convolution, then channels into blocks of pixels."""

    def __init__(self, i: int, o: int, side: int, size: int = 3):
        super().__init__()
        self.conv, self.unfold = nn.Conv2d(i, o * side**2, size, padding=size // 2), nn.PixelShuffle(side)
        self.order = channels_first(o, side)

    def forward(self, x: Tensor) -> Tensor:
        return self.unfold(self.conv(x))

    def fill(self, arrays: Any) -> None:
        fill(self.conv, {k: np.asarray(v)[..., self.order] for k, v in arrays.items()})


class Halving(nn.Conv2d):
    """The strided 2x2 convolution that the zoo writes as a product over folded pixels."""

    def __init__(self, i: int, o: int):
        super().__init__(i, o, 2, stride=2)

    def fill(self, arrays: Any) -> None:
        kernel = np.asarray(arrays["kernel"]).reshape(2, 2, self.in_channels, self.out_channels)
        put(self, kernel.transpose(3, 2, 0, 1), arrays["bias"])


def channels_first(channels: int, side: int) -> np.ndarray:
    """Where PyTorch's folding, [channel, row, column], finds its channels in the zoo's, [row, column, channel]."""
    return np.arange(channels * side**2).reshape(side, side, channels).transpose(2, 0, 1).ravel()


class Denoiser(nn.Module):
    def __init__(self, config: Any, body: nn.Module):
        super().__init__()
        self.entry, self.body = Folded(3, config.width, config.fold), body
        self.exit = Unfolded(config.width, 3, config.fold)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.exit(self.body(self.entry(x)))


class ResidualBlock(nn.Module):
    def __init__(self, width: int, kind: str, padding_mode: str):
        super().__init__()
        conv = lambda: nn.Conv2d(width, width, 3, padding=1, padding_mode=padding_mode, bias=kind == "none")
        self.first, self.second = conv(), conv()
        self.first_norm, self.second_norm = norm(kind, width), norm(kind, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))


class PlainLayer(nn.Module):
    def __init__(self, width: int, kind: str):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=kind == "none")
        self.norm = norm(kind, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class DenseLayer(nn.Module):
    """One norm and one convolution over the concatenation, of which the zoo keeps a part for each source."""

    def __init__(self, i: int, o: int, size: int, kind: str):
        super().__init__()
        self.norm, self.conv = norm(kind, i), nn.Conv2d(i, o, size, padding=size // 2)

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.conv(F.relu(self.norm(torch.cat(features, 1))))

    def fill(self, arrays: Any) -> None:
        convs, norms = ([part[k] for k in sorted(part)] for part in (arrays["convs"], arrays.get("norms", {})))
        fill(self.conv, convs[0] | {"kernel": np.concatenate([conv["kernel"] for conv in convs], 2)})
        if norms:
            fill(self.norm, {name: np.concatenate([part[name] for part in norms]) for name in norms[0]})


class DenseBlock(nn.Module):
    def __init__(self, width: int, growth: int, layers: int, kind: str):
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(width + k * growth, growth, 3, kind) for k in range(layers))
        self.transition = DenseLayer(width + layers * growth, width, 1, kind)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return x + self.transition(features)


# Networks


class UNet(nn.Module):
    def __init__(self, config: UNetConfig):
        super().__init__()
        widths = [config.width * 2**k for k in range(config.levels + 1)]
        block = lambda k: DenseBlock(widths[k], config.growth * 2**k, config.layers, config.norm)
        scales = range(config.levels)
        self.encoders = nn.ModuleList(block(k) for k in scales)
        self.downs = nn.ModuleList(Halving(widths[k], widths[k + 1]) for k in scales)
        self.bottom = block(config.levels)
        self.ups = nn.ModuleList(Unfolded(widths[k + 1], widths[k], 2, size=1) for k in scales)
        self.skips = nn.ModuleList(nn.Conv2d(widths[k], widths[k], 1) for k in scales)
        self.decoders = nn.ModuleList(block(k) for k in scales)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for encode, down in zip(self.encoders, self.downs, strict=True):
            x = encode(x)
            skips.append(x)
            x = down(x)
        x = self.bottom(x)
        for up, skip, decode in reversed(list(zip(self.ups, self.skips, self.decoders, strict=True))):
            x = decode(up(x) + skip(skips.pop()))
        return x


class ResidualGenerator(nn.Module):
    def __init__(self, config: ResidualConfig):
        super().__init__()
        w, bias = config.width, config.norm == "none"
        self.entry = nn.Conv2d(3, w, 7, padding=3, padding_mode="reflect", bias=bias)
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias) for c in (w, 2 * w))
        self.blocks = nn.ModuleList(ResidualBlock(4 * w, config.norm, "reflect") for _ in range(config.blocks))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1, bias=bias) for c in (4 * w, 2 * w)
        )
        self.norms = nn.ModuleList(norm(config.norm, c) for c in (w, 2 * w, 4 * w, 2 * w, w))
        self.exit = nn.Conv2d(w, 3, 7, padding=3, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        norms = iter(self.norms)
        x = F.relu(next(norms)(self.entry(2 * x - 1)))
        for down in self.downs:
            x = F.relu(next(norms)(down(x)))
        for block in self.blocks:
            x = block(x)
        for up in self.ups:
            x = F.relu(next(norms)(up(x)))
        return (torch.tanh(self.exit(x)) + 1) / 2


class PatchDiscriminator(nn.Module):
    def __init__(self, config: PatchConfig):
        super().__init__()
        w = [config.channels, *(config.width * k for k in (1, 2, 4, 8))]
        self.convs = nn.ModuleList(nn.Conv2d(w[k], w[k + 1], 4, 2 if k < 3 else 1, padding=1) for k in range(4))
        self.norms = nn.ModuleList(norm(config.norm if k else "none", w[k + 1]) for k in range(4))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Conv2d(w[4], 1, 4, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1
        for conv, normed in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(normed(conv(x)), 0.2)
        return self.head(self.dropout(x))


class Discriminator(nn.Module):
    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        widths = [config.channels, *(config.width * 2**k for k in range(config.depth))]
        pairs = list(zip(widths, widths[1:], strict=False))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=k == 0) for k, (a, b) in enumerate(pairs))
        self.norms = nn.ModuleList(norm(config.norm if k else "none", b) for k, (_, b) in enumerate(pairs))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1
        for conv, normed in zip(self.convs, self.norms, strict=True):
            x = F.avg_pool2d(F.leaky_relu(normed(conv(x)), 0.2), 2)
        return self.head(self.dropout(x.mean((2, 3))))
