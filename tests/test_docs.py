"""README and docs: numbers from results, links that lead somewhere, flags and tests and files that exist."""

import ast
import dataclasses
import fnmatch
import functools
import importlib
import json
import operator
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tyro

from eval.pages.report import table
from train.methods import METHODS
from zoo import cli, noise, registry
from zoo.errors import FlagError
from zoo.flags import check_names

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = ("train", "eval", "benchmarks")  # folders whose modules are commands, where they have a `main`
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command that a page shows, in a fence of `sh` or indented; each part of a pipe alone."""
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).splitlines()
    lines += [line.strip() for line in text.splitlines() if line.startswith("    python -m ")]
    for line in lines:
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), "|"]:
            if word != "|":
                words.append(word)
            elif words:
                yield words
                words = []


def kinds(module) -> list[type]:
    """The dataclasses of a command's flags."""
    if module is cli:
        return [*cli.COMMANDS]
    if command := getattr(module, "COMMAND", None):
        methods = [command.method] if command.method else command.lesson.methods
        return [command.kind(METHODS[name], next(iter(command.lesson.networks))) for name in methods]
    return [kind for kind in vars(module).values() if dataclasses.is_dataclass(kind) and isinstance(kind, type)]


def check(words: list[str]):
    """Raises where a shown command cannot be: an unknown flag, extra or target."""
    program, *rest = words
    if program == "filmzoo":
        check_names(rest, *kinds(cli))
        tyro.cli(functools.reduce(operator.or_, kinds(cli)), args=rest, config=(tyro.conf.FlagCreatePairsOff,))
    elif program == "python" and rest[0] == "-m" and rest[1].split(".")[0] in COMMANDS:
        module = importlib.import_module(rest[1])
        assert callable(module.main)
        check_names(rest[2:], *kinds(module))
    elif program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"make has no {rest[0]}"
    elif program == "pip":
        extras = PROJECT["project"]["optional-dependencies"]
        assert all(name in extras for found in re.findall(r"\[(.*)\]", rest[-1]) for name in found.split(","))


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_demos_table_is_the_committed_result():
    result = json.loads((ROOT / "eval" / "results" / "denoise" / "demo.json").read_text())
    assert table(result) in (ROOT / "docs" / "quality.md").read_text()


@every_page
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            there = page.parent / name if name else page
            assert there.exists(), f"{page.name} names {name}"
            assert not anchor or anchor in anchors(there), f"{page.name} names {link}"


def test_every_page_is_found_from_the_readme():
    linked = re.findall(r"\]\((docs/[\w-]+\.md)", (ROOT / "README.md").read_text())
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(linked)


@every_page
def test_every_shown_command_can_be(page):
    for words in commands(page.read_text()):
        try:
            check(words)
        except (FlagError, SystemExit) as e:
            pytest.fail(f"{page.name} shows {shlex.join(words)}: {e}")


def test_every_flag_in_the_text_is_one():
    modules = [cli]
    for path in (path for folder in COMMANDS for path in sorted((ROOT / folder).glob("*.py"))):
        if "\ndef main(" in (text := path.read_text()) or "\nmain = " in text:
            modules.append(importlib.import_module(f"{path.parent.name}.{path.stem}"))
    fields = {field.name for module in modules for kind in kinds(module) for field in dataclasses.fields(kind)}
    known = {name.replace("_", "-") for name in fields} | {"help"}
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        inline = [code for code in re.findall(r"`([^`]+)`", text) if not code.startswith("pip ")]
        flags = {flag for code in inline for flag in re.findall(r"(?<!\S)--([a-z][\w-]*)", code)}
        assert not flags - known, f"{page.name} names flags that no command has: {flags - known}"


@every_page
def test_every_file_and_test_in_the_text_exists(page):
    text = page.read_text()
    for name in re.findall(r"`((?:zoo|eval|train|benchmarks|tests|docs)/[\w/.-]*)`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
    for file, name in re.findall(r"`(tests/\w+\.py)::(\w+)`", text):
        functions = {node.name for node in ast.parse((ROOT / file).read_text()).body if hasattr(node, "name")}
        assert name in functions, f"{page.name} names {file}::{name}"


def test_the_readmes_python_restores_a_picture():
    (block,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    names = {"noisy": np.full((16, 16, 3), 128, np.uint8)}
    exec(compile(block, "README.md", "exec"), names)
    assert (names["clean"].shape, names["clean"].dtype) == ((16, 16, 3), np.uint8)
    assert (names["larger"].shape, names["larger"].dtype) == ((32, 32, 3), np.uint8)


def test_every_noise_and_every_model_has_its_words():
    rows = lambda page: re.findall(r"^\| (.*?) \|", (ROOT / page).read_text(), re.MULTILINE)
    assert {f"`{name}`" for name in noise.NOISES} <= set(rows("docs/training.md"))
    patterns = [found for row in rows("README.md") for found in re.findall(r"`([^`]*\*[^`]*)`", row)]
    for name in (name for name, spec in registry.SPECS.items() if spec.task == "denoise"):
        plain = name.removesuffix(registry.PHOTOS)
        assert any(plain.endswith(p[1:]) for p in patterns if p.startswith("*")), (
            f"README does not say what {name} is for"
        )
        assert any(fnmatch.fnmatch(plain, p) for p in patterns if p[0] != "*"), f"README does not say what {name} is"


def test_every_promise_has_its_test():
    rows = [line for line in (ROOT / "docs" / "promises.md").read_text().splitlines() if line.startswith("| ")]
    rows = [line for line in rows if line != "| promise | test |"]
    assert len(rows) > 40
    assert [row for row in rows if not re.search(r"\| `tests/\w+\.py::test_\w+` \|$", row)] == []


def test_the_wheel_holds_all_of_zoo_and_nothing_else():
    setuptools = PROJECT["tool"]["setuptools"]
    assert setuptools["packages"]["find"] == {"include": ["zoo*"]}
    shipped = setuptools["package-data"]
    for path in (ROOT / "zoo").rglob("*.*"):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        if path.suffix == ".py":
            assert (path.parent / "__init__.py").exists(), f"the wheel leaves out {path.parent}"
        elif path.suffix != ".pyc":
            assert any(path.match(pattern) for pattern in shipped.get(package, ())), f"the wheel leaves out {path}"
