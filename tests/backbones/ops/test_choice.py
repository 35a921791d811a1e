"""Laws of the choice of a backend and its reasons, and of the vendor's kernels behind our interface."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from backbones.config.zigma import ZigMaConfig
from backbones.network import Network
from backbones.ops import backends, choice, mamba_ssm, reference, self_check
from backbones.ops.scan.inputs import ScanInputs
from tests.backbones.ops.cases import error, scan_inputs


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget what was found out about this machine, before and after."""
    caches = (choice._fault, choice._first_usable, choice._resolve)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_on_a_cpu_the_cpu_kernels_are_chosen_and_every_other_has_a_reason(fresh: None) -> None:
    found = {b.name: b for b in backends("cpu")}
    assert list(found) == ["cpu", "triton", "mamba-ssm", "reference"]
    assert [b.name for b in found.values() if b.chosen] == ["cpu"]
    assert found["cpu"].version.startswith("numba ")
    assert found["reference"].usable
    assert all(b.reason for b in found.values())
    assert "not on cpu" in found["mamba-ssm"].reason


def test_a_backend_that_fails_its_self_check_is_named_and_passed_over(
    fresh: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from backbones.ops.scan import cpu

    right = cpu.scan_forward

    def wrong(*args: object) -> tuple[Tensor, Tensor]:
        y, state = right(*args)
        return y * 1.001, state

    monkeypatch.setattr(cpu, "scan_forward", wrong)
    found = {b.name: b for b in backends("cpu")}
    assert found["reference"].chosen
    assert not found["cpu"].usable
    assert "failed its self-check: scan is off by" in found["cpu"].reason
    assert "backend cpu is not used on cpu" in caplog.text
    inputs = scan_inputs(1, 4, 3, 2)
    assert torch.equal(inputs.call(), inputs.call(backend="reference"))
    with pytest.raises(ValueError, match="'cpu' cannot be used: failed its self-check"):
        inputs.call(backend="cpu")


def test_a_backend_that_raises_fails_its_self_check() -> None:
    class Broken(types.ModuleType):
        def scan_forward(self, *args: object) -> None:
            raise RuntimeError("no such instruction")

    fault = self_check.run(Broken("broken"), reference, torch.device("cpu"))
    assert fault == "failed its self-check: RuntimeError: no such instruction"


def test_a_bias_of_one_unit_in_the_last_place_of_every_decay_fails_the_self_check() -> None:
    class Biased(types.ModuleType):
        def scan_forward(self, inputs: ScanInputs, save: bool) -> object:
            # exp(delta A) (1 + 1.2e-7), with delta about 0.02
            return reference.scan_forward(inputs._replace(A=inputs.A + 6e-6), save)

        scan_backward = staticmethod(reference.scan_backward)

    fault = self_check.run(Biased("biased"), reference, torch.device("cpu"))
    assert fault.startswith("failed its self-check: over 4096 steps, the content of a slow state is off by ")


def test_the_choice_is_said_once(fresh: None, caplog: pytest.LogCaptureFixture) -> None:
    inputs = scan_inputs(1, 4, 3, 2)
    with caplog.at_level("INFO", logger="backbones.ops.choice"):
        for _ in range(3):
            inputs.call()
    assert [r.getMessage() for r in caplog.records] == ["selective scan and causal convolution on cpu: backend cpu"]


def test_first_use_inside_a_compiler_runs_the_self_check_on_real_tensors(fresh: None) -> None:
    inputs = scan_inputs(1, 4, 3, 2)
    torch._dynamo.reset()
    compiled = torch.compile(lambda: inputs.call(), backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(), inputs.call(backend="cpu"))


def test_a_device_is_checked_once_by_whichever_name(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    monkeypatch.setattr(self_check, "run", lambda scan, conv, device: checked.append(device) or "")
    backends("cpu:0")  # As tensors name it: "cpu". A GPU's tensors have a number where its name may have none.
    scan_inputs(1, 4, 3, 2).call()
    assert checked == [torch.device("cpu")]


def test_only_what_comes_before_the_chosen_one_is_held_against_it(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {"cpu": "runs on cpu, not on this", "triton": "", "mamba-ssm": f"{self_check.FAILED}: it is off"}
    asked = []
    monkeypatch.setattr(choice, "_fault", lambda name, device, family: asked.append(name) or faults[name])
    here = torch.device("cpu")
    assert [found.name for found in choice.tried(here)] == ["cpu", "triton"]
    assert Network.kernels(ZigMaConfig(), here).startswith("triton (")
    assert Network.kernel_faults(ZigMaConfig(), here) == []
    assert "mamba-ssm" not in asked  # It takes seconds to import, and nothing would call it.
    faults["triton"] = f"{self_check.FAILED}: it is off"
    faults["mamba-ssm"] = ""
    choice._first_usable.cache_clear()
    assert Network.kernel_faults(ZigMaConfig(), here) == [f"triton: {self_check.FAILED}: it is off"]


def test_shapes_alone_warn_of_no_slow_kernels(fresh: None, caplog: pytest.LogCaptureFixture) -> None:
    inputs = scan_inputs(1, 4, 3, 2)
    shapes = type(inputs)(*(x.to("meta") for x in vars(inputs).values()))
    shapes.call(u=shapes.u.requires_grad_())
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's two functions with their documented layout, (batch, channels, L), on any device."""

    def scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus):  # type: ignore[no-untyped-def]
        rows = [None if x is None else x.mT for x in (u, delta, B, C, z)]
        inputs = ScanInputs(rows[0], rows[1], A, rows[2], rows[3], D, rows[4], delta_bias, delta_softplus, None)
        y = reference.scan(inputs)
        return y.mT

    def conv(x, weight, bias, activation):  # type: ignore[no-untyped-def]
        return reference.conv(x.mT, weight, bias, activation, None).mT

    interface = types.ModuleType("mamba_ssm.ops.selective_scan_interface")
    interface.selective_scan_fn = scan
    package = types.ModuleType("causal_conv1d")
    package.causal_conv1d_fn = conv
    for module in (types.ModuleType("mamba_ssm"), types.ModuleType("mamba_ssm.ops"), interface, package):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("vendor")
def test_vendor_layout_order_and_gradients_are_translated_both_ways() -> None:
    assert mamba_ssm.available() is None
    assert self_check.run(mamba_ssm, mamba_ssm, torch.device("cpu")) == ""
    x = scan_inputs(2, 11, 5, 3, views=True)
    y = mamba_ssm.scan(x.inputs())
    assert error(y, x.call(backend="reference")) <= 1e-6


@pytest.mark.usefixtures("vendor")
def test_vendor_convolution_refuses_a_window_it_lacks() -> None:
    with pytest.raises(ValueError, match=r"width 7; backend 'mamba-ssm' has \(2, 3, 4\)"):
        mamba_ssm.conv(torch.ones(1, 4, 3), torch.ones(3, 7), None, None, None)


def test_the_vendor_is_asked_for_by_name_where_it_is_missing() -> None:
    if mamba_ssm.available() is None:
        pytest.skip("the vendor's kernels are installed")
    assert "optional extra 'cuda'" in str(mamba_ssm.available())


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what is said of a device that is not there")
def test_a_device_that_is_not_there_is_told_of_and_not_asked() -> None:
    found = {status.name: status for status in backends("cuda")}
    assert "no CUDA device" in found["triton"].reason
    assert not found["triton"].chosen
