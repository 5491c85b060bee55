"""The house keeps its shape: what imports what, how functions are called, what is named where."""

import ast
import inspect
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import zoo
from zoo import noise

ROOT = Path(__file__).parents[1]
FOLDERS = ["zoo", "eval", "train", "benchmarks", "tests"]  # each imports only itself and what stands before it
# Inside zoo, from the ground up: each room imports only itself and what lies below. A room is a folder or a module;
# modules that are not named here are the ground, or the rest of the folder that is named.
GROUND = "ground"
ROOMS = [GROUND, "models", "cards", "community", "registry", "export", "tiles", "budget", "restorer"]
ROOMS += ["steps", "chain", "presets"]
ROOMS += [f"film.{name}" for name in ("pyav", "formats", "display", "matroska", "presentation", "threads", "progress")]
ROOMS += ["film.read", "film.write", "film", "film.compare"]
ROOMS += ["vapoursynth", "commands", "library", "cli", "__main__"]


RANDOM = [noise.gaussian, noise.salt_and_pepper, noise.poisson, noise.speckle, noise.grain, noise.scan, noise.mixed]


def imports(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_folders_import_only_to_the_left():
    for k, folder in enumerate(FOLDERS):
        later = FOLDERS[k + 1 :]
        for path in (ROOT / folder).rglob("*.py"):
            wrong = sorted(name for name in imports(path) if name.split(".")[0] in later)
            assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def graph_of_zoo() -> dict[str, set[str]]:
    """Each module of zoo with the modules of zoo that it imports, named without "zoo."."""
    paths = {
        ".".join(path.relative_to(ROOT / "zoo").with_suffix("").parts): path
        for path in (ROOT / "zoo").rglob("*.py")
        if path.name != "__init__.py"
    }
    return {
        module: {name.removeprefix("zoo.") for name in imports(path) if name.startswith("zoo.")} & paths.keys()
        for module, path in paths.items()
    }


def room(module: str) -> int:
    """Where a module stands: the longest name of a room that it begins with."""
    first, *rest = module.split(".")
    names = [".".join([first, *rest[:1]]), first]
    return ROOMS.index(next((name for name in names if name in ROOMS), GROUND))


def test_no_room_of_zoo_imports_one_above():
    for module, used in graph_of_zoo().items():
        wrong = sorted(name for name in used if room(name) > room(module))
        assert not wrong, f"zoo.{module} imports {wrong}, which stand above it: {' <- '.join(ROOMS)}"


def test_no_module_of_zoo_imports_itself_by_way_of_others():
    TopologicalSorter(graph_of_zoo()).prepare()  # raises CycleError, which names the circle


def test_random_functions_take_key_then_image_then_named_options():
    for function in [*RANDOM, noise.degrade]:
        parameters = list(inspect.signature(function).parameters.values())
        assert [p.name for p in parameters[:2]] == ["key", "image"], function
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters[2:]), function
        assert len(parameters) > 2, function
        assert function.__doc__, function


def test_public_names_exist_and_are_documented():
    for name in zoo.__all__:
        thing = getattr(zoo, name)
        assert not callable(thing) or thing.__doc__, name


@pytest.mark.parametrize("name", zoo.names())
def test_names_are_kebab_case_and_rows_are_whole(name):
    spec = zoo.SPECS[name]
    assert name == name.lower()
    assert "_" not in name
    assert spec.task
    assert spec.multiple >= 1
    assert spec.about
    assert spec.licence


@pytest.mark.parametrize(
    ("use", "heavy"),
    [
        ("import zoo.cli", ["jax", "flax", "av"]),
        ("import zoo; zoo.Restorer", ["orbax", "grain", "tensorflow_datasets", "skimage", "matplotlib"]),
    ],
)
def test_imports_only_what_is_used(use, heavy):
    """Nobody waits for JAX to read --help, nor for checkpoints and data pipelines to restore a picture."""
    code = f"import sys; {use}; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert out.strip() == "[]"
