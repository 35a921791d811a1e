"""Laws of the mixers: one place for all of them, in every family that scans."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu, softplus

from backbones import matched
from backbones.analysis.reach import cost, open_gates
from backbones.config.base import ScanConfig
from backbones.config.mixers import MIXERS, heads_of
from backbones.layers.mixers.attention import AttentionMixer
from backbones.layers.mixers.nc_ssd import NonCausalMixer
from backbones.layers.mixers.rows import Visit
from backbones.network import Network
from zigbench.backbone import Geometry, build, count_parameters, recomputed
from zigbench.check import check
from zigbench.scan import make_order
from zigbench.spec import NetworkSpec, registry
from zigbench.spec.registry import load_object

from .helpers import fitting, moved

FAMILIES = [name for name in registry.backbones.names() if issubclass(registry.backbones.get(name), ScanConfig)]
RECURRENCES = [name for name, mixer in MIXERS.items() if mixer.sees_order]
CONTROLS = [name for name, mixer in MIXERS.items() if not mixer.sees_order]
OTHERS = [name for name in MIXERS if name != "mamba"]
IMAGE = Geometry(1, 4, 5, 1)
LABELLED = Geometry(1, 4, 6, 2, classes=3)
CURVES = ["sweep", "raster", "zigzag", "hilbert", "random"]


def moved_mixer(name: str, orders: Tensor, width: int = 12, **keys: Any) -> nn.Module:
    """A mixer in float64, the same for all orders of one shape, moved off its initialisation."""
    torch.manual_seed(0)
    mixer: nn.Module = load_object(MIXERS[name].layer)(width, orders, **keys).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return mixer


def tokens(length: int, width: int = 12, batch: int = 2) -> Tensor:
    return torch.randn(batch, length, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_takes_every_mixer(name: str) -> None:
    assert len(FAMILIES) == 8
    geometry = fitting(name, LABELLED)
    for mixer in MIXERS:
        for every, shared in ((0, False), (2, False), (2, True)):
            if mixer == "attention" and every:
                continue
            config = {"width": 12, "depth": 4, "mixer": mixer, "attention_every": every, "attention_shared": shared}
            with torch.device("meta"):
                network = build(name, geometry, **config)
            assert count_parameters(network) == NetworkSpec.of(name, **config).parameters(geometry), config


@pytest.mark.parametrize("mixer", [*OTHERS, "hybrid"])
@pytest.mark.parametrize("name", FAMILIES)
def test_counted_operations_are_the_closed_form(name: str, mixer: str) -> None:
    config: dict[str, Any] = {"width": 20, "depth": 4, "head_width": 10}
    config |= {"attention_every": 3, "attention_shared": True} if mixer == "hybrid" else {"mixer": mixer}
    geometry = fitting(name, LABELLED)
    counted = cost(name, geometry, batch=3, **config)
    assert counted.forward_flops == NetworkSpec.of(name, **config).cost(geometry, batch=3).flops
    assert 1.7 * counted.forward_flops < counted.backward_flops < 2.3 * counted.forward_flops


@pytest.mark.parametrize("mixer", OTHERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_keeps_the_contract_with_every_mixer(name: str, mixer: str) -> None:
    geometry = fitting(name, Geometry(1, 3, 5, 1, classes=3))
    results = check(name, config={"width": 16, "depth": 2, "mixer": mixer}, geometries={"": geometry})
    assert not [result for result in results if result.status == "failed"]


@pytest.mark.parametrize("mixer", CONTROLS)
@pytest.mark.parametrize("name", ["zigma", "bidirectional", "parallel", "dis", "zigma-video"])
def test_no_order_changes_an_output_or_a_gradient_of_a_control(name: str, mixer: str) -> None:
    """Networks that share their weights and differ in the order alone, at initialisation, in float64."""
    generator = torch.Generator().manual_seed(3)
    geometry = fitting(name, IMAGE)
    x = torch.randn(2, *geometry.sample_shape, generator=generator, dtype=torch.float64)
    t = torch.rand(2, generator=generator, dtype=torch.float64)
    results = []
    for curve in CURVES:
        for schemes in (1, 8):
            config = {"width": 16, "depth": 4, "head_width": 8, "mixer": mixer, "position": "learned"}
            network = open_gates(build(name, geometry, seed=0, curve=curve, schemes=schemes, **config).double())
            nn.init.normal_(network.position.embedding, generator=torch.Generator().manual_seed(4))
            out = network(x, t)
            out.square().sum().backward()
            # Which names of weights there are may depend on nothing either.
            gradients = {key: value.grad for key, value in network.named_parameters() if value.requires_grad}
            results.append({"out": out, **gradients})
    assert float(results[0]["out"].detach().abs().mean()) > 0.01
    for other in results[1:]:
        assert other.keys() == results[0].keys()
        for key, value in other.items():
            torch.testing.assert_close(value, results[0][key], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mixer", RECURRENCES)
def test_an_order_changes_the_output_of_a_recurrence(mixer: str) -> None:
    outs = []
    for curve in ("sweep", "random"):
        network = open_gates(build("zigma", IMAGE, seed=0, curve=curve, width=16, depth=4, mixer=mixer).double())
        outs.append(network(torch.ones(1, 1, 4, 5, dtype=torch.float64).cumsum(-1), torch.ones(1).double()))
    assert float((outs[0] - outs[1]).abs().max()) > 1e-6


@pytest.mark.parametrize("mixer", RECURRENCES)
def test_a_mixer_along_an_order_is_the_plain_one_on_rows_in_that_order(mixer: str) -> None:
    order = torch.tensor(make_order("hilbert", (4, 5)).order)
    x = tokens(20)
    along = moved_mixer(mixer, order[None])(x)
    plain = moved_mixer(mixer, torch.arange(20)[None])(x[:, order])
    torch.testing.assert_close(along[:, order], plain)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("mixer", list(MIXERS))
def test_sequences_are_mixed_each_by_itself(mixer: str, directions: int) -> None:
    sequences = torch.randperm(12, generator=torch.Generator().manual_seed(0)).view(3, 4)
    orders = torch.stack([sequences, sequences.flip(-1)])[:directions]
    alone = torch.stack([torch.arange(4), torch.arange(4).flip(0)])[:directions]
    x = tokens(12)
    out = moved_mixer(mixer, orders)(x)
    for sequence in sequences:
        torch.testing.assert_close(out[:, sequence], moved_mixer(mixer, alone)(x[:, sequence]))


@pytest.mark.parametrize("mixer", list(MIXERS))
def test_equal_directions_both_ways_have_no_beginning_and_no_end(mixer: str) -> None:
    order = torch.arange(9)
    both = moved_mixer(mixer, torch.stack([order, order.flip(0)]))
    if hasattr(both, "directions"):
        weights = {k: v for k, v in both.directions[0].state_dict().items() if k != "order"}
        both.directions[1].load_state_dict(weights, strict=False)
    x = tokens(9)
    torch.testing.assert_close(both(x.flip(1)), both(x).flip(1))


@pytest.mark.parametrize("mixer", OTHERS)
def test_weights_begin_as_in_mambas_place(mixer: str) -> None:
    """out_proj is √depth smaller, Δ is within its range, rates are negative."""
    config = {"width": 64, "mixer": mixer, "head_width": 16}
    shallow, deep = (build("zigma", IMAGE, seed=0, depth=depth, **config).blocks[0].mixer for depth in (1, 16))
    last = [m.attention.proj if isinstance(m, AttentionMixer) else m.out_proj for m in (shallow, deep)]
    assert float(last[0].weight.std() / last[1].weight.std()) == pytest.approx(4, rel=0.05)
    for key, value in deep.named_parameters():
        if key.endswith("dt_bias"):
            assert 1e-3 * 0.99 <= float(softplus(value).min()) < float(softplus(value).max()) <= 0.1 * 1.01
        if key.endswith("A_log"):
            assert float(value.max()) <= torch.tensor(16.0).log()


def test_the_parameters_of_mamba2_are_those_of_its_release() -> None:
    """mamba2-130m: 24 blocks of width 768 with 128 states and heads of 64, a table of 50,288 words, norms."""
    sizes = ScanConfig.model_construct(width=768, d_state=128, head_width=64)
    block = MIXERS["mamba2"].closed_form(sizes, 1, 1, 1).parameters + 768
    assert 24 * block + 50_288 * 768 + 768 == 128_989_632


def test_gated_linear_attention_of_the_papers_widths_has_four_squares_of_weights() -> None:
    d = 1024
    sizes = ScanConfig.model_construct(width=d, expand=1, head_width=d // 4)
    low_rank = 16 * (d + d // 2) + d // 2
    assert MIXERS["gla"].closed_form(sizes, 1, 1, 1).parameters == 4 * d**2 + low_rank + d // 4


def test_nc_ssd_is_one_state_that_all_tokens_read() -> None:
    mixer = moved_mixer("nc-ssd", torch.arange(7)[None], d_state=3, head_width=8)
    assert isinstance(mixer, NonCausalMixer)
    x = tokens(7, batch=1)
    z, v, B, C = (x @ mixer.in_proj.weight.T).split([24, 24, 3, 3], dim=-1)
    v, B, C = silu(v), silu(B), silu(C)
    weight = softplus(mixer.dt_proj(x) + mixer.dt_bias) * mixer.A_log.exp()
    y = torch.zeros(7, 3, 8, dtype=torch.float64)
    for head in range(3):
        channels = v[0, :, 8 * head : 8 * head + 8]
        state = sum(weight[0, t, head] * torch.outer(channels[t], B[0, t]) for t in range(7))
        y[:, head] = C[0] @ state.T + mixer.D[head] * channels
    out = rms_norm(y.flatten(1) * silu(z[0]), (24,), mixer.norm.weight, 1e-5) @ mixer.out_proj.weight.T
    torch.testing.assert_close(mixer(x)[0], out)


def test_shared_attention_is_one_set_of_weights_and_stays_one_in_a_copy() -> None:
    config = {"width": 16, "depth": 6, "attention_every": 2}
    network = copy.deepcopy(build("zigma", IMAGE, seed=0, attention_shared=True, **config))
    blocks = [block.mixer for block in network.blocks if isinstance(block.mixer, AttentionMixer)]
    assert len(blocks) == 3
    assert all(mixer.attention is network.shared_attention for mixer in blocks)
    own = build("zigma", IMAGE, seed=0, **config)
    assert count_parameters(own) - count_parameters(network) == 2 * count_parameters(network.shared_attention)
    assert sum("qkv.weight" in key for key in network.state_dict()) == 1


@pytest.mark.parametrize(
    "config", [{"mixer": "gla"}, {"mixer": "mamba2"}, {"attention_every": 2, "attention_shared": True}]
)
def test_recomputed_blocks_have_the_same_gradients(config: dict[str, Any]) -> None:
    network = moved("zigma", IMAGE, **config).train()
    x, t = tokens(20, 1).view(2, 1, 4, 5), torch.tensor([0.2, 0.7], dtype=torch.float64)
    gradients = []
    for context in (contextlib.nullcontext(), recomputed(network)):
        network.zero_grad()
        with context:
            network(x, t).square().sum().backward()
        gradients.append([p.grad for p in network.parameters() if p.requires_grad])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("mixer", OTHERS)
def test_a_size_is_matched_with_any_mixer(mixer: str) -> None:
    target = NetworkSpec.of("zigma", width=64, depth=8).parameters(IMAGE)
    config = matched("zigma", IMAGE, parameters=target, depth=8, mixer=mixer)
    assert config.mixer == mixer
    assert config.parameters(IMAGE) == pytest.approx(target, rel=0.06)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"mixer": "mamba3"}, "mixer = 'mamba3': Input should be 'mamba', 'mamba2', "),
        ({"mixer": "mamba2", "head_width": 7}, "head_width = 7: does not divide the inner width 32; leave it out"),
        ({"mixer": "attention", "head_width": 32}, "head_width = 32: does not divide the width 16"),
        ({"attention_every": 2, "head_width": 32}, "head_width = 32: does not divide the width 16"),
        ({"mixer": "gla", "width": 15, "expand": 1}, "width = 15: expand × width is odd, and keys have half of it"),
        ({"mixer": "gated-deltanet", "head_width": 1}, "head_width = 1: is odd, and the keys of a head have half"),
        ({"attention_every": 5}, "attention_every = 5: no block is attention, for there are 4"),
        ({"attention_every": 2, "mixer": "attention"}, "the mixer of every block is attention already"),
        ({"attention_shared": True}, "no block shares attention, for attention_every is 0; set attention_every"),
        ({"attention_every": -1}, "attention_every = -1: Input should be greater than or equal to 0"),
    ],
)
def test_an_impossible_mixer_is_refused_in_one_line(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        build("zigma", IMAGE, **{"width": 16, "depth": 4, **config})


def test_a_family_that_does_not_scan_takes_no_mixer() -> None:
    with pytest.raises(ValueError, match=r"backbone\.config\.mixer = 'gla': unknown key"):
        build("dit", IMAGE, width=16, depth=2, mixer="gla")


def test_a_key_at_its_default_is_absent_so_that_ids_do_not_move() -> None:
    keys = {"mixer", "head_width", "attention_every", "attention_shared"}
    assert not keys & NetworkSpec.of("zigma", width=16).backbone.config.model_dump().keys()
    assert NetworkSpec.of("zigma", width=16, mixer="gla").backbone.config.model_dump()["mixer"] == "gla"


def test_heads_divide_their_features_and_keys_take_half_of_them() -> None:
    for width in range(2, 400, 2):
        heads = heads_of(width, None, multiple=2)
        assert width % (2 * heads) == 0
    assert (heads_of(768, None, multiple=2), heads_of(64, 16)) == (12, 4)


def test_rows_are_taken_and_put_back_with_their_gradients() -> None:
    order = torch.tensor([[2, 0], [3, 1]])
    x = tokens(4, 3).requires_grad_()
    visit = Visit(order)
    taken = visit.take(x)
    assert torch.equal(taken.unflatten(0, (2, 2)).flatten(1, 2), x[:, order.flatten()])
    assert torch.equal(visit.put(taken), x)
    torch.autograd.gradcheck(lambda rows: visit.put(visit.take(rows).square()), x, check_forward_ad=True)


def test_a_record_names_the_kernel_of_each_mixer() -> None:
    def kernels(**config: Any) -> str:
        spec = NetworkSpec.of("zigma", width=16, depth=4, **config)
        return Network.kernels(spec.config, torch.device("cpu"))

    scan, state = kernels(), kernels(mixer="gla")
    assert kernels(mixer="gated-deltanet") == kernels(mixer="mamba2") == state
    assert kernels(mixer="nc-ssd") == f"matrix products (torch {torch.__version__})"
    assert kernels(attention_every=2) == f"{scan}, scaled_dot_product_attention (torch {torch.__version__})"
    assert kernels(mixer="attention") == Network.kernels(NetworkSpec.of("dit").config, torch.device("cpu"))
    for mixer in MIXERS:
        assert Network.kernel_faults(NetworkSpec.of("zigma", mixer=mixer).config, torch.device("cpu")) == []


@pytest.fixture
def compiler() -> Iterator[None]:
    """A compiler without the graphs of other tests, whose number it limits."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("name", "mixer"), [*(("zigma", mixer) for mixer in (*OTHERS, "hybrid")), ("bidirectional", "gated-deltanet")]
)
def test_a_network_of_any_mixer_is_one_graph(name: str, mixer: str) -> None:
    config = {"attention_every": 2, "attention_shared": True} if mixer == "hybrid" else {"mixer": mixer}
    network = moved(name, LABELLED, depth=2, **config).train()
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    x, t = tokens(4, 6).view(2, 1, 4, 6), torch.tensor([0.2, 0.7], dtype=torch.float64)
    given = {"x": x, "t": t, "label": torch.tensor([1, -1])}
    expected = network(**given)
    out = compiled(**given)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
