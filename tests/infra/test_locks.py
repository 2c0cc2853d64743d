"""What is installed is pinned by hash, says nothing about where it came from, and is what the tests ran with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.infra.stack import ROOT

LOCKS = sorted([*ROOT.glob("requirements*.txt"), *ROOT.glob("layers/*/requirements.txt")])
LAYERS = sorted(ROOT.glob("layers/*/requirements.txt"))
REQUIREMENT = re.compile(
    r"^([a-z0-9-]+)==(\S+)(?: ; .+)? \\\n((?: {4}--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def pinned(path: Path) -> dict[str, str]:
    return {name: version for name, version, _ in REQUIREMENT.findall(path.read_text())}


def test_there_is_a_lock_for_everything_that_is_installed() -> None:
    assert {name_of(path) for path in LOCKS} == {
        "requirements-dev.txt",
        "requirements-checkov.txt",
        "requirements-peers.txt",
        "requirements-sam.txt",
        "requirements-uv.txt",
        "layers/ventana/requirements.txt",
        "layers/twilio/requirements.txt",
    }


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_a_lock_holds_versions_and_hashes_and_nothing_else(path: Path) -> None:
    """So no host can be named in it, by an option, a comment or a direct reference."""
    assert REQUIREMENT.sub("", path.read_text()) == ""
    assert pinned(path)


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_what_a_lock_was_made_from_names_no_host_and_is_in_it(path: Path) -> None:
    wanted = path.with_suffix(".in").read_text()
    names = re.findall(r"^(\w[\w-]*)", wanted, flags=re.MULTILINE)
    assert "//" not in wanted
    assert {name.lower() for name in names} <= set(pinned(path))


@pytest.mark.parametrize("path", LAYERS, ids=name_of)
def test_a_layer_leaves_out_what_the_runtime_has(path: Path) -> None:
    assert not {"boto3", "botocore", "s3transfer", "awslambdaric"} & set(pinned(path))


@pytest.mark.parametrize("path", LAYERS, ids=name_of)
def test_a_layer_ships_the_versions_that_the_tests_ran_with(path: Path) -> None:
    tested = pinned(ROOT / "requirements-dev.txt")
    assert {name: version for name, version in pinned(path).items() if tested.get(name) != version} == {}


def test_layers_agree_on_what_both_hold() -> None:
    first, second = (pinned(path) for path in LAYERS)
    assert {name for name in set(first) & set(second) if first[name] != second[name]} == set()


@pytest.mark.parametrize("path", LAYERS, ids=name_of)
def test_a_layer_is_built_from_its_lock_for_lambdas_platform(path: Path) -> None:
    recipe = path.with_name("Makefile").read_text()
    for option in (
        "--require-hashes",
        "--only-binary :all:",
        "LAYER_PLATFORM ?= aarch64-manylinux_2_28",
        "--python-platform $(LAYER_PLATFORM)",
        "LAYER_PYTHON ?= 3.13",
        "--python-version $(LAYER_PYTHON)",
        "--requirement requirements.txt",
        '--target "$(ARTIFACTS_DIR)/python"',
    ):
        assert option in recipe
