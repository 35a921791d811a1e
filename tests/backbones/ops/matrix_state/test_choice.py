"""The choice of a backend of the matrix-valued states: the order, the reasons, and the words for a missing package."""

from __future__ import annotations

import sys
import tomllib
import types
from pathlib import Path

import pytest
import torch

from backbones.ops import choice, self_check
from backbones.ops.choice import STATE
from backbones.ops.matrix_state import chunked, cpu, fla, reference
from tests.backbones.ops.matrix_state.cases import OPERATORS, draws


def test_on_a_cpu_the_kernels_are_chosen_and_every_other_backend_has_a_reason() -> None:
    statuses = {status.name: status for status in choice.backends("cpu", family=STATE)}
    assert list(statuses) == ["cpu", "fla", "chunked", "reference"]
    assert [status.name for status in statuses.values() if status.chosen] == ["cpu"]
    assert all(status.reason for status in statuses.values())
    assert "not on cpu" in statuses["fla"].reason


def test_float64_takes_the_chunked_form_and_is_refused_by_kernels_of_float32() -> None:
    assert choice.state_backend("auto", torch.ones(1, dtype=torch.float64)) is chunked
    inputs = draws("gla", 1, 5, 1, 2, 2)
    with pytest.raises(ValueError, match=r"'cpu' computes in float32 .* take backend='reference'"):
        OPERATORS["gla"](**inputs, backend="cpu")


@pytest.mark.parametrize("module", [cpu, chunked, reference])
def test_the_self_check_passes_a_right_backend(module: types.ModuleType) -> None:
    assert self_check.run_states(module, torch.device("cpu")) == ""


@pytest.mark.parametrize("part", ["forward", "backward"])
def test_the_self_check_names_what_is_off(part: str) -> None:
    wrong = types.ModuleType("wrong")
    wrong.forward, wrong.backward = chunked.forward, chunked.backward
    right = getattr(chunked, part)

    def off(*arguments):
        results = right(*arguments)
        return (results[0] * 1.001, *results[1:])

    setattr(wrong, part, off)
    what = {"forward": "ssd is off by", "backward": "gradient of ssd is off by"}[part]
    assert self_check.run_states(wrong, torch.device("cpu")).startswith(f"{self_check.FAILED}: {what}")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Return a function that lays a distribution's metadata on the path, as an installer does."""

    def install(version: str) -> None:
        folder = tmp_path / f"flash_linear_attention-{version}.dist-info"
        folder.mkdir()
        text = f"Metadata-Version: 2.1\nName: flash-linear-attention\nVersion: {version}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)

    return install


@pytest.mark.skipif("fla" in sys.modules, reason="flash-linear-attention is installed")
def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    if fla.available() is None:
        pytest.skip("flash-linear-attention is installed")
    assert "flash-linear-attention is not installed" in str(fla.available())
    assert "pip install 'zigbench[fla]'" in str(fla.available())


@pytest.mark.parametrize("version", ["0.1.2", "0.3.2", "0.7.0", "1.0"])
def test_a_version_that_does_not_fit_is_named_with_those_that_do(version: str, installed) -> None:
    installed(version)
    reason = fla.available()
    assert reason is not None
    assert f"flash-linear-attention {version} does not fit, >=0.4,<0.7 does" in reason
    assert "pip install 'zigbench[fla]'" in reason


@pytest.mark.parametrize("version", ["0.4.0", "0.6.0"])
def test_a_fitting_version_that_does_not_import_is_refused(version: str, installed) -> None:
    installed(version)
    assert f"flash-linear-attention {version} cannot be imported" in str(fla.available())


def test_the_extra_installs_a_version_that_fits() -> None:
    text = (Path(__file__).parents[4] / "pyproject.toml").read_text(encoding="utf-8")
    (low, high) = fla.FITTING
    wanted = f"flash-linear-attention>={low[0]}.{low[1]},<{high[0]}.{high[1]}"
    assert tomllib.loads(text)["project"]["optional-dependencies"]["fla"] == [wanted]


def test_asking_for_fla_on_a_cpu_is_one_line() -> None:
    inputs = {name: x.float() for name, x in draws("ssd", 1, 5, 1, 2, 2).items()}
    with pytest.raises(
        ValueError, match="backend: 'fla' cannot be used: runs on cuda, not on cpu; take backend='auto'"
    ):
        OPERATORS["ssd"](**inputs, backend="fla")


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's three functions with their documented layouts, on any device."""

    def simple_gla(q, k, v, g, scale):
        return reference.recur(fla.StateInputs(scale * q, k, v, g.unsqueeze(-1), None, False)), None

    def gla(q, k, v, g, scale):
        return reference.recur(fla.StateInputs(scale * q, k, v, g, None, False)), None

    def gated_delta_rule(q, k, v, g, beta, scale):
        return reference.recur(fla.StateInputs(scale * q, k, v, g.unsqueeze(-1), beta, True)), None

    for function in (simple_gla, gla, gated_delta_rule):
        module = types.ModuleType(f"fla.ops.{function.__name__}")
        setattr(module, f"chunk_{function.__name__}", function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("fla", "fla.ops"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))


@pytest.mark.usefixtures("package")
def test_layouts_and_gradients_of_the_package_are_translated_both_ways(installed) -> None:
    installed("0.6.0")
    assert fla.available() is None
    assert self_check.run_states(fla, torch.device("cpu")) == ""
