"""The published train steps as a PyTorch user would write them: GAN, DenseNet, CycleGAN. A step takes the same uint8
pictures as the zoo's and gives the same losses; without noise and dropout its losses are the zoo's.
"""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import peers
from benchmarks.torch_networks import build, fill
from train.loop.settings import Settings

Losses = dict[str, Tensor]


class Step:
    """Base: networks by the zoo's names, filled with a state's weights, and an optimiser for each."""

    def __init__(self, task: Any, state: Any, where: str, *, compiled: bool = False, half: bool = False):
        self.settings: Any = task.settings
        self.where, self.half = where, half
        self.nets: dict[str, nn.Module] = {}
        self.optimisers = {}
        for name, net in task.nets.items():
            module = build(net.config)
            fill(module, merged(state.params[name], state.stats[name]))
            module = module.to(where, memory_format=torch.channels_last).train()
            self.optimisers[name] = adam(module, self.settings, b1=self.b1(name))
            self.nets[name] = peers.compile_alone(module) if compiled else module

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, float]:
        found = self.step({name: self.picture(rows) for name, rows in batch.items()})
        return {name: float(value.detach()) for name, value in found.items()}  # waits for the device

    def b1(self, name: str) -> float:
        return 0.9

    def step(self, batch: dict[str, Tensor]) -> Losses:
        raise NotImplementedError

    def picture(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(rows).to(self.where).permute(0, 3, 1, 2).float() / 255

    def degraded(self, clean: Tensor) -> Tensor:
        low, high = self.settings.levels
        level = low + (high - low) * torch.rand(len(clean), 1, 1, 1, device=self.where)
        return (clean + level * torch.randn_like(clean)).clamp(0, 1)

    def net(self, name: str, x: Tensor) -> Tensor:
        kind = torch.device(self.where).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.half):
            return self.nets[name](x).float()

    def frozen(self, name: str, on: bool) -> None:
        """Whether gradients pass a network without being kept for it."""
        self.nets[name].requires_grad_(not on)

    def descend(self, loss: Tensor, *names: str) -> None:
        for name in names:
            self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        for name in names:
            self.optimisers[name].step()


class DenseNetStep(Step):
    def step(self, batch: dict[str, Tensor]) -> Losses:
        clean = batch["clean"]
        loss = F.mse_loss(self.net("g", self.degraded(clean)), clean)
        self.descend(loss, "g")
        return {"pixel": loss}


class GanStep(Step):
    """Minimax with a pixel loss; the judge sees the degraded picture beside the clean or restored one."""

    def b1(self, name: str) -> float:
        return 0.9 if name == "g" else 0.5

    def step(self, batch: dict[str, Tensor]) -> Losses:
        clean = batch["clean"]
        degraded = self.degraded(clean)
        restored = self.net("g", degraded)
        self.frozen("d", True)
        fooling = -F.softplus(self.net("d", torch.cat([degraded, restored], 1))).mean()
        self.frozen("d", False)
        pixel = F.mse_loss(restored, clean)
        on_real = self.net("d", torch.cat([degraded, clean], 1))
        on_fake = self.net("d", torch.cat([degraded, restored.detach()], 1))
        judging = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        self.descend(pixel + self.settings.lambda_adversarial * fooling, "g")
        self.descend(judging, "d")
        return {"pixel": pixel, "g": fooling, "d": judging}


class CycleGanStep(Step):
    """Both cycles, both identities, both discriminators on fakes from a history pool, least squares."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.pools: dict[str, list[Tensor]] = {"d_a": [], "d_b": []}

    def b1(self, name: str) -> float:
        return 0.5

    def step(self, batch: dict[str, Tensor]) -> Losses:
        s, a, b = self.settings, self.degraded(batch["degraded"]), batch["clean"]
        self.frozen("d_a", True)
        self.frozen("d_b", True)
        fake_b, fake_a = self.net("g_ab", a), self.net("g_ba", b)
        terms = {
            "g_ab": (self.net("d_b", fake_b) - 1).square().mean(),
            "g_ba": (self.net("d_a", fake_a) - 1).square().mean(),
            "cycle": F.l1_loss(self.net("g_ba", fake_b), a) + F.l1_loss(self.net("g_ab", fake_a), b),
            "identity": F.l1_loss(self.net("g_ab", b), b) + F.l1_loss(self.net("g_ba", a), a),
        }
        total = terms["g_ab"] + terms["g_ba"] + s.lambda_cycle * terms["cycle"] + s.lambda_identity * terms["identity"]
        self.descend(total, "g_ab", "g_ba")
        for judge, real, fake in (("d_a", a, fake_a), ("d_b", b, fake_b)):
            self.frozen(judge, False)
            on_real, on_fake = self.net(judge, real), self.net(judge, self.pooled(judge, fake.detach()))
            terms[judge] = ((on_real - 1).square().mean() + on_fake.square().mean()) / 2
            self.descend(terms[judge], judge)
        return terms

    def pooled(self, judge: str, fakes: Tensor) -> Tensor:
        """Each fake, or, half the time, an earlier one that it takes the place of."""
        pool, shown = self.pools[judge], []
        for fake in fakes:
            if len(pool) < self.settings.pool:
                pool.append(fake)
            elif pool and random.random() < 0.5:
                place = random.randrange(len(pool))
                fake, pool[place] = pool[place], fake
            shown.append(fake)
        return torch.stack(shown).contiguous(memory_format=torch.channels_last)


STEPS = {"densenet": DenseNetStep, "gan": GanStep, "cyclegan": CycleGanStep}


def adam(module: nn.Module, settings: Settings, *, b1: float) -> torch.optim.Adam:
    """Adam with L2 on the kernels alone."""
    groups: dict[bool, list[Any]] = {True: [], False: []}
    for parameter in module.parameters():
        groups[parameter.ndim > 1].append(parameter)
    options = [{"params": groups[True], "weight_decay": settings.l2}, {"params": groups[False]}]
    return torch.optim.Adam(options, lr=settings.learning_rate, betas=(b1, 0.999), fused=True)


def merged(params: Any, stats: Any) -> Any:
    """Parameters and statistics, two trees of dicts, as one."""
    if not isinstance(params, dict) or not isinstance(stats, dict):
        return params
    both = {key: merged(params[key], stats[key]) for key in params.keys() & stats.keys()}
    return params | stats | both
