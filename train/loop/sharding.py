"""Data parallelism: one mesh axis `data` over every device of every process; state replicated, batches split."""

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from zoo.errors import FlagError

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def start() -> None:
    """Joins the processes of a run, where the environment names them: JAX_COORDINATOR_ADDRESS (host:port of process 0),
    JAX_NUM_PROCESSES and JAX_PROCESS_ID, the same command in each. Must come before the first JAX computation."""
    given = [v for v in VARIABLES if v in os.environ]
    if not given or jax.distributed.is_initialized():
        return
    if len(given) < len(VARIABLES):
        raise FlagError(
            f"{', '.join(given)} set without {', '.join(set(VARIABLES) - set(given))}; set all three or none"
        )
    address, count, index = (os.environ[v] for v in VARIABLES)
    try:
        jax.distributed.initialize(address, num_processes=int(count), process_id=int(index))
    except ValueError:
        raise FlagError(f"JAX_NUM_PROCESSES={count!r} and JAX_PROCESS_ID={index!r} must be whole numbers") from None


def mesh() -> Mesh:
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec("data"))


def check_batch(batch: int) -> None:
    if batch < 1 or batch % jax.device_count():
        raise FlagError(
            f"--batch={batch} does not divide by the {jax.device_count()} devices; choose a multiple of them"
        )


def replicate(mesh: Mesh, tree: Any) -> Any:
    """Arrays that every process has, on every device. (`jax.device_put` would first compare them over the network.)"""
    put = lambda x: jax.make_array_from_process_local_data(replicated(mesh), np.asarray(x))
    return jax.tree.map(put, tree)


def place(mesh: Mesh, local: dict[str, np.ndarray]) -> dict[str, Any]:
    """This process's rows of a batch, as global arrays split over the devices."""
    return {k: jax.make_array_from_process_local_data(split(mesh), v) for k, v in local.items()}
