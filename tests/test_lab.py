"""L*a*b* and CIEDE2000 against scikit-image."""

import jax.numpy as jnp
import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from zoo.lab import ciede2000, of_lab, to_lab

rng = np.random.default_rng(0)
A = np.float32(np.concatenate([rng.random((4000, 3)), np.repeat(rng.random((50, 1)), 3, 1), np.eye(3), 1 - np.eye(3)]))
B = np.float32(np.clip(A + rng.normal(0, 0.1, A.shape), 0, 1))


def test_they_are_those_of_scikit_image():
    np.testing.assert_allclose(to_lab(jnp.asarray(A)), rgb2lab(A), atol=2e-3)
    for one, other in ((A, B), (A, A[::-1]), (A, A)):
        ours = ciede2000(jnp.asarray(one), jnp.asarray(other))
        theirs = deltaE_ciede2000(rgb2lab(one.astype(float)), rgb2lab(other.astype(float)))
        np.testing.assert_allclose(ours, theirs, atol=5e-3)


def test_back_from_lab_are_the_same_colours():
    np.testing.assert_allclose(of_lab(to_lab(jnp.asarray(A))), A, atol=1e-4)
