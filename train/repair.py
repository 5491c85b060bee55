"""Teaches a network to find dirt and scratches, and what the picture is under them: python -m train.repair"""

import sys
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from train.command import Command
from train.loop.lesson import Clips, Lesson, Loss
from train.loop.losses import rounded
from zoo import dirt
from zoo.damage.old_film import FRAMES, old_film
from zoo.damage.pair import Pair
from zoo.models.repair import RepairConfig

_VISIBLE, _COVERED = 4 / 255, 0.04  # from which a pixel is damaged: by how much it differs, and is covered
_SAME = 1e-6
# How much counts: what it says, of hits; what fills damage, and all else; what comes out where there was some.
_SAYS, _HIT, _UNDER, _FAR, _NEAR = 0.25, 2.0, 10.0, 0.03, 3.0


def bounded(picture: Float[Array, "n h w 3"], clean: Float[Array, "n h w 3"]) -> Float[Array, " n"]:
    """PSNR of each picture, dB; of what is all but the same, 60."""
    return -10 * jnp.log10(jnp.mean(jnp.square(picture - clean), (1, 2, 3)) + _SAME)


class Repair(Lesson):
    frames = FRAMES
    networks: ClassVar = {"repairer": RepairConfig()}
    metrics: ClassVar = {"dB": bounded}
    own_loss = True
    protocol = "PSNR of each frame, filled as far as the network is sure of damage, at most 60 dB, then the mean"

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        """`seen`: all frames laid over the middle one. `wanted`: this without damage; how much of each pixel dirt and
        scratches cover."""
        film = old_film(key, clips)
        around = tuple(film.damaged[:, k] for k in (0, 1, 3, 4))
        laid = jax.lax.map(lambda own: dirt.laid(*own), (film.guide, around))  # [n 4 h w 3]
        frames = jnp.concatenate([laid[:, :2], film.damaged[:, 2:3], laid[:, 2:]], 1)
        seen = jnp.moveaxis(frames, 1, 3).reshape(*frames.shape[:1], *frames.shape[2:4], -1)
        wanted = jnp.concatenate([film.clean, film.dirt[..., None], film.scratches[..., None]], -1)
        return Pair(seen, wanted, {})

    def restored(self, seen: Array, given: Array) -> Array:
        """The frame as far as the network repairs it."""
        now, sure = self.untouched(seen), given[..., 3:].max(-1, keepdims=True)
        return now + sure * (given[..., :3] - now)

    def loss(self, pair: Pair, given: Array, apart: Loss) -> Float[Array, ""]:
        """Of what it says, what it fills with, and what comes out."""
        clean, cover = pair.wanted[..., :3], pair.wanted[..., 3:]
        now, near = self.untouched(pair.seen), cover.max(-1, keepdims=True) > 0
        visible = jnp.abs(now - clean).max(-1, keepdims=True) > _VISIBLE
        chance = jnp.clip(given[..., 3:], 1e-6, 1 - 1e-6)
        hit, none = (cover > _COVERED) & visible, ~near
        says = -jnp.where(hit, _HIT * jnp.log(chance), jnp.where(none, jnp.log1p(-chance), 0))
        fill = rounded(given[..., :3] - clean) * (_UNDER * near + _FAR)
        out = rounded(self.restored(pair.seen, given) - clean) * (1 + _NEAR * near)
        return _SAYS * says.mean() + 2 * fill.mean() + 2 * out.mean()

    def untouched(self, seen: Array) -> Array:
        middle = 3 * (FRAMES // 2)
        return seen[..., middle : middle + 3]

    def measured(self, wanted: Array) -> Array:
        return wanted[..., :3]


COMMAND = Command("repair", Repair, __doc__, method="paired", network="repairer")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
