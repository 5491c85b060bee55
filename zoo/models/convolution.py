"""How a convolution is computed. Every form here gives the same sums; each is the fastest somewhere.

On accelerators that is XLA's own. On CPU a 3x3 convolution takes half the products (Winograd's minimal filtering). A
7x7 one with few channels at one end goes by columns, and one of 1x1 is a product of matrices. None is left unpadded,
which XLA does 4 to 35 times slower there.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

NHWC = ("NHWC", "HWIO", "NHWC")
Edges = tuple[tuple[int, int], tuple[int, int]]  # zeros to put above and below, to the left and to the right


def same(x: Float[Array, "n h w i"], kernel: Float[Array, "k k i o"], stride: int = 1) -> Float[Array, "n hh ww o"]:
    """With `k // 2` zeros on each side."""
    p = kernel.shape[0] // 2
    if stride == 1 and not p:  # flat: XLA would lay the gradient of the tensor product out anew
        return (x.reshape(-1, x.shape[3]) @ kernel[0, 0]).reshape(*x.shape[:3], -1)
    if stride == 1 and _suits_winograd(x, kernel):
        return winograd(x, kernel, p)
    return direct(x, kernel, ((p, p), (p, p)), stride)


def valid(x: Float[Array, "n h w i"], kernel: Float[Array, "k k i o"], stride: int = 1) -> Float[Array, "n hh ww o"]:
    """Without padding."""
    p = kernel.shape[0] // 2
    if stride > 1 or jax.default_backend() != "cpu":
        return direct(x, kernel, ((0, 0), (0, 0)), stride)
    if _suits_winograd(x, kernel):
        return winograd(x, kernel, 0)
    if p > 1 and min(kernel.shape[2:]) < 16:
        return by_columns(x, kernel)
    return direct(x, kernel, ((p, p), (p, p)))[:, p:-p, p:-p]


def direct(x: Array, kernel: Array, edges: Edges, stride: int = 1) -> Array:
    """XLA's own: [n h w i], [k l i o] -> [n hh ww o]."""
    if stride == 1 and _thins(x, kernel.shape[3]):
        return _thinning(x, kernel, edges)
    return _plain(x, kernel, edges, stride)


def _plain(x: Array, kernel: Array, edges: Edges, stride: int = 1) -> Array:
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), edges, dimension_numbers=NHWC)


def _thins(x: Array, o: int) -> bool:
    """Where XLA's gradient of the kernel was measured to take 1.4 to 16 times as long as with input and output
    exchanged: it is a convolution too, whose output has the output's channels; in Eigen's, few of them are slow."""
    return x.shape[3] >= 2 * o and jax.default_backend() == "cpu"


def _plain_kernel_gradient(x: Array, dy: Array, size: tuple[int, int], edges: Edges) -> Array:
    """XLA's own: what [n h w i] and the gradient of [n hh ww o] say of a kernel of `size`: [k l i o]."""
    if _thins(x, dy.shape[3]):
        other = lambda k, edge: (k - 1 - edge[0], k - 1 - edge[1])
        exchanged = other(size[0], edges[0]), other(size[1], edges[1])
        return _plain_kernel_gradient(dy, x, size, exchanged)[::-1, ::-1].swapaxes(2, 3)
    # Written out, as the transpose of `_plain` has it: within a loop XLA does not put its own axes in this order, and
    # then takes 25 times as long.
    grown = zip(edges, size, x.shape[1:3], dy.shape[1:3], strict=True)
    around = [(low, k - 1 - low + out - length) for (low, _), k, length, out in grown]
    return _plain(x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3), (around[0], around[1])).transpose(1, 2, 0, 3)


def _plain_forward(x: Array, kernel: Array, edges: Edges) -> tuple[Array, tuple[Array, Array]]:
    return _plain(x, kernel, edges), (x, kernel)


def _plain_backward(edges: Edges, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    (dx,) = jax.linear_transpose(lambda x: _plain(x, kernel, edges), x)(dy)
    return dx, _plain_kernel_gradient(x, dy, (kernel.shape[0], kernel.shape[1]), edges)


_thinning = jax.custom_vjp(lambda x, kernel, edges: _plain(x, kernel, edges), nondiff_argnums=(2,))
_thinning.defvjp(_plain_forward, _plain_backward)


def by_columns(x: Array, kernel: Array) -> Array:
    """An unpadded k x k convolution with few channels at one end, as one of k x 1 with k times as many there: in XLA on
    CPU its gradients then take a small part of the time."""
    k, _, i, o = kernel.shape
    p, w = k // 2, x.shape[2] - k + 1
    if i < o:
        x = jnp.concatenate([x[:, :, d : d + w] for d in range(k)], -1)
        return direct(x, kernel.reshape(k, 1, k * i, o), ((p, p), (0, 0)))[:, p:-p]
    y = direct(x, kernel.transpose(0, 2, 1, 3).reshape(k, 1, i, k * o), ((p, p), (0, 0)))[:, p:-p]
    return sum((y[:, :, d : d + w, d * o : (d + 1) * o] for d in range(1, k)), start=y[:, :, :w, :o])


# Winograd's F(4, 3): four outputs of a filter of three taps by six products, where the plain sum takes twelve (Winograd
# 1980, "Arithmetic complexity of computations"; the matrices of Lavin and Gray 2016, "Fast algorithms for convolutional
# neural networks", section 4.3). Along the height alone: along both sides it would be a quarter of the products, but
# what that saves goes into moving memory.
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], np.float32) / 24
_OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
_STEP, _WINDOW = _OUTPUT.shape  # rows of output, and of input, to each group of products
# From here on the kernel's gradient is XLA's own, which reads the batch as channels: of few it is 2 to 6 times as slow;
# with many real channels Winograd's stays ahead.
_LARGE_BATCH, _MANY_CHANNELS = 8, 128


def _suits_winograd(x: Array, kernel: Array) -> bool:
    """Where it was measured to be faster, and rounds to about 1e-5 of the values (float32)."""
    wide = kernel.shape[:2] == (3, 3) and min(kernel.shape[2:]) >= 16
    return wide and x.dtype == jnp.float32 and x.shape[1] >= 2 * _STEP and jax.default_backend() == "cpu"


def _winograd(x: Float[Array, "n h w i"], kernel: Float[Array, "3 3 i o"], p: int) -> Float[Array, "n hh ww o"]:
    """A 3x3 convolution with `p` zeros on each side, 0 or 1, as six of 1x3 on a quarter of the rows each."""
    height, width = x.shape[1] + 2 * p - 2, x.shape[2] + 2 * p - 2
    taps = jnp.einsum("ar,rcio->acio", _KERNEL, kernel)
    # Columns are padded whatever p is, and cropped again: see `valid`.
    products = [_plain(v, taps[a, None], ((0, 0), (1, 1))) for a, v in enumerate(_windows(x, p))]
    y = jnp.stack(_combine(_OUTPUT, products), 2).reshape(x.shape[0], -1, x.shape[2], kernel.shape[3])
    return y[:, :height, 1 - p : 1 - p + width]


def _windows(x: Array, p: int) -> list[Array]:
    """What each of the six products reads: [n h w i] -> [n hh/4 w i] each."""
    groups = -(-(x.shape[1] + 2 * p - 2) // _STEP)
    below = _STEP * groups + 2 - x.shape[1] - p
    x = jnp.pad(x, ((0, 0), (p, below), (0, 0), (0, 0)))
    return _combine(_INPUT, [x[:, d : d + _STEP * (groups - 1) + 1 : _STEP] for d in range(_WINDOW)])


def _combine(matrix: np.ndarray, parts: Sequence[Array]) -> list[Array]:
    """For each row of the matrix, the parts weighted by it."""
    weighted = [[float(c) * part for c, part in zip(row, parts, strict=True) if c] for row in matrix]
    return [sum(terms[1:], start=terms[0]) for terms in weighted]


def _forward(x: Array, kernel: Array, p: int) -> tuple[Array, tuple[Array, Array]]:
    return _winograd(x, kernel, p), (x, kernel)


def _backward(p: int, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    around = jnp.pad(dy, ((0, 0), (1 - p, 1 - p), (1 - p, 1 - p), (0, 0)))
    dx = winograd(around, kernel[::-1, ::-1].swapaxes(2, 3), 1)
    if x.shape[0] < _LARGE_BATCH or min(kernel.shape[2:]) >= _MANY_CHANNELS:
        return dx, _kernel_gradient(x, dy, p)
    return dx, _plain_kernel_gradient(x, dy, (3, 3), ((p, p), (p, p)))


def _kernel_gradient(x: Array, dy: Array, p: int) -> Array:
    """Winograd's too: for each of the six, a product of matrices over all that it reads."""
    width = x.shape[2]
    dy = jnp.pad(dy, ((0, 0), (0, -dy.shape[1] % _STEP), (2 - p, 2 - p), (0, 0)))
    gradients = []
    for v, d in zip(_windows(x, p), _combine(_OUTPUT.T, [dy[:, j::_STEP] for j in range(_STEP)]), strict=True):
        shifted = jnp.concatenate([d[:, :, 2 - c : 2 - c + width] for c in range(3)], -1)
        gradients.append(
            (v.reshape(-1, v.shape[3]).T @ shifted.reshape(-1, shifted.shape[3])).reshape(x.shape[3], 3, -1)
        )
    return jnp.einsum("ar,aico->rcio", _KERNEL, jnp.stack(gradients))


_differentiable = jax.custom_vjp(_winograd, nondiff_argnums=(2,))
_differentiable.defvjp(_forward, _backward)
winograd = jax.jit(_differentiable, static_argnums=2)  # so that layers of one shape are traced and lowered once


# The older of XLA's own convolutions on CPU (Eigen's): its newer ones (YNNPACK) keep one core busy where channels are
# few, and take up to four times as long for the gradient of the kernel.
_OLDER = {"xla_cpu_experimental_ynn_fusion_type": ""}


def compiler_options() -> dict[str, str] | None:
    """What `jax.jit` should tell XLA to run these at full speed; None where its defaults are best."""
    return _OLDER if jax.default_backend() == "cpu" and _known() else None


@functools.cache
def _known() -> bool:
    """Whether this version of XLA has the experimental option."""
    try:
        jax.jit(lambda: 0, compiler_options=_OLDER).lower().compile()
    except (RuntimeError, ValueError):
        return False
    return True
