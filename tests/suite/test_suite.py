"""Laws of suites: expansion is the product of the axes less the exclusions, pure and without duplicates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.spec import registry
from zigbench.spec.errors import SpecError
from zigbench.suite import Axis, Contrast, Profile, RunOf, Suite, add_arm, expand, grid, load, override, zipped

BASE = {"backbone.name": "zigma", "data.name": "digits"}


def suite(**changes: object) -> Suite:
    settings: dict = {"name": "s", "question": "?", "base": BASE, "axes": (grid("seed", (0, 1)),), **changes}
    return Suite(**settings)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_a_suite_is_the_product_of_its_axes(schemes, steps, seeds):
    axes = (
        grid("scan.schemes", range(1, schemes + 1)),
        grid("training.steps", range(1, steps + 1)),
        grid("seed", range(seeds)),
    )
    cells = list(expand(suite(axes=axes)))
    assert len(cells) == schemes * steps * seeds
    assert len({cell.spec.id for cell in cells}) == len(cells)
    assert [cell.spec.id for cell in expand(suite(axes=axes))] == [cell.spec.id for cell in cells]


def test_zipped_keys_move_together():
    axis = zipped("size", training__steps=(1, 2), training__batch=(10, 20))
    pairs = [(c.spec.training.steps, c.spec.training.batch) for c in expand(suite(axes=(axis,)))]
    assert pairs == [(1, 10), (2, 20)]


def test_zipping_unlike_lengths_is_refused():
    with pytest.raises(ValueError, match="different lengths"):
        zipped("size", training__steps=(1, 2), training__batch=(10,))


def test_an_arm_replaces_backbone_and_settings():
    arms = Axis("arm", {"zigzag-2": {"scan.schemes": 2}, "dit": {"backbone.name": "dit"}})
    cells = {cell.labels["arm"]: cell.spec for cell in expand(suite(axes=(arms,)))}
    assert cells["zigzag-2"].scan.schemes == 2
    assert cells["dit"].scan is None


def test_exclusions_drop_exactly_what_matches():
    axes = (grid("scan.schemes", (1, 2)), grid("seed", (0, 1)))
    cells = list(expand(suite(axes=axes, exclude=({"scan.schemes": "1", "seed": "0"},))))
    assert [(c.labels["scan.schemes"], c.labels["seed"]) for c in cells] == [("1", "1"), ("2", "0"), ("2", "1")]


def test_two_cells_that_are_one_run_are_refused():
    same = Axis("arm", {"a": {"seed": 1}, "b": {"seed": 1}})
    with pytest.raises(ValueError, match="a and b are the same run"):
        list(expand(suite(axes=(same,))))


def test_a_fault_names_the_cell_it_is_in():
    with pytest.raises(SpecError, match=r"suite 's', scan.schemes -1: scan.schemes = -1"):
        list(expand(suite(axes=(grid("scan.schemes", (1, -1)),))))


def test_overrides_come_last():
    (cell,) = expand(suite(axes=(grid("seed", (3,)),)), {"seed": 7})
    assert cell.spec.seed == 7


def test_only_selects_by_label_and_by_key():
    asked = suite(axes=(grid("scan.schemes", (1, 2), name="n"), grid("seed", (0, 1))))
    assert [c.labels["n"] for c in expand(asked, only=["scan.schemes=2"])] == ["2", "2"]
    assert len(list(expand(asked, only=["n=2", "seed=1"]))) == 1
    with pytest.raises(SpecError, match="no run has this key; did you mean 'seed'"):
        list(expand(asked, only=["sed=1"]))
    with pytest.raises(SpecError, match="is not a condition"):
        list(expand(asked, only=["seed"]))


def test_a_condition_is_read_as_an_assignment_is():
    of_key = suite(axes=(Axis("arm", {str(b): {"training.compile": b} for b in (False, True)}), grid("seed", (0,))))
    of_axis = suite(axes=(grid("training.compile", (False, True)), grid("optimizer.lr", (0.01, 0.02))))
    for text in ("training.compile=false", "training.compile=False"):
        (cell,) = expand(of_key, only=[text])
        assert cell.spec.training.compile is False
        assert [c.spec.optimizer.lr for c in expand(of_axis, only=[text])] == [0.01, 0.02]
    assert len(list(expand(of_axis, only=["optimizer.lr=1e-2"]))) == 2
    assert len(list(expand(of_key, only=["training.checkpoint_every=null"]))) == 2
    assert not list(expand(of_key, only=["training.compile=0"]))


@pytest.mark.parametrize("name", ["a/../b", "..", "/tmp/a", "", "a\\b", ".hidden", "a b", "a\n", "-a"])
def test_a_suite_whose_name_is_no_name_of_a_folder_is_refused(name):
    with pytest.raises(ValueError, match="also the name of its reports' folder"):
        suite(name=name)


def test_an_override_need_only_make_sense_for_the_cells_that_are_selected():
    arms = Axis("arm", {"zigzag": {}, "dit": {"backbone.name": "dit"}})
    (cell,) = expand(suite(axes=(arms,)), {"scan.curve": "hilbert"}, ["arm=zigzag"])
    assert cell.spec.scan.curve == "hilbert"
    with pytest.raises(SpecError, match="has no meaning for the backbone 'dit'"):
        list(expand(suite(axes=(arms,)), {"scan.curve": "hilbert"}))


def test_profiles_ask_the_same_with_other_numbers():
    small = Profile({"training.steps": 5}, axes=(grid("seed", (9,)),), metrics=("loss",), notes=("small",))
    big = suite(profiles={"miniature": small}, equal={"parameters": 0.1}, notes=("big",))
    chosen = big.profile("miniature")
    assert (chosen.name, chosen.metrics, chosen.notes) == ("s-miniature", ("loss",), ("small",))
    silent = replace(big, profiles={"miniature": replace(small, notes=None)})
    assert silent.profile("miniature").notes == ("big",)
    assert chosen.equal == big.equal
    (cell,) = expand(chosen)
    assert (cell.spec.training.steps, cell.spec.seed) == (5, 9)
    with pytest.raises(ValueError, match="no profile 'mini'"):
        big.profile("mini")


@pytest.mark.parametrize("name", registry.suites.names())
def test_every_registered_suite_expands(name):
    found = load(name)
    assert found.question.endswith("?")
    assert list(expand(found))
    for profile in found.profiles:
        assert list(expand(found.profile(profile)))


def test_a_suite_in_the_users_own_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from zigbench.suite import Suite, grid\n"
        f"suite = Suite(name='mine', question='Mine?', base={BASE!r}, axes=(grid('seed', (0,)),))\n"
    )
    assert load(str(file)).name == "mine"
    with pytest.raises(ValueError, match="there is no suite file"):
        load(str(tmp_path / "other.py"))
    file2 = tmp_path / "empty.py"
    file2.write_text("x = 1\n")
    with pytest.raises(ValueError, match="defines no `suite"):
        load(str(file2))


def test_an_unknown_suite_is_named():
    with pytest.raises(ValueError, match="did you mean 'quickstart'"):
        load("quickstat")


def test_runs_are_done_in_the_order_that_the_suite_names():
    axes = (grid("training.batch", (2, 4), name="arm"), grid("training.steps", (1, 2), name="b"), grid("seed", (0, 1)))
    made = Suite(name="s", question="?", base=BASE, axes=axes)
    named = replace(made, order=("seed", "b"))
    assert {cell.spec.id for cell in expand(made)} == {cell.spec.id for cell in expand(named)}
    labels = [tuple(cell.labels.values()) for cell in expand(named)]
    assert [(seed, b, arm) for arm, b, seed in labels] == sorted((seed, b, arm) for arm, b, seed in labels)
    assert all(list(cell.labels) == ["arm", "b", "seed"] for cell in expand(named))
    fewer = replace(named, profiles={"few": Profile(axes=axes[1:])}).profile("few")
    assert [tuple(cell.labels.values()) for cell in expand(fewer)] == [("1", "0"), ("2", "0"), ("1", "1"), ("2", "1")]
    with pytest.raises(ValueError, match="names round, which is no axis"):
        list(expand(replace(made, order=("round",))))


ARMS = Axis("arm", {"zigzag": {"scan.curve": "zigzag"}, "hilbert": {"scan.curve": "hilbert"}})


def test_a_condition_may_name_several_values():
    asked = suite(axes=(ARMS, grid("seed", (0, 1, 2))))
    seeds = [cell.labels["seed"] for cell in expand(asked, only=["seed=0,2", "arm=zigzag"])]
    assert seeds == ["0", "2"]
    assert len(list(expand(asked, only=["scan.curve=zigzag,hilbert"]))) == 6
    of_lists = suite(axes=(Axis("n", {"a, b": {"scan.schemes": 1}, "c": {"scan.schemes": 2}}),))
    assert [cell.labels["n"] for cell in expand(of_lists, only=["n=a, b"])] == ["a, b"]
    curves = suite(axes=(grid("scan.curve", ("random[a=1,b=2]", "zigzag")),))
    with pytest.raises(ValueError, match=r"scan\.curve is one of random\[a=1,b=2\], zigzag"):
        list(expand(curves, only=["scan.curve=raster"]))
    with pytest.raises(ValueError, match="no run matches seed=3: seed is one of 0, 1, 2"):
        list(expand(asked, only=["seed=0,3"]))
    with pytest.raises(ValueError, match="did you mean 'hilbert'"):
        list(expand(asked, only=["arm=zigzag,hilbrt"]))


def test_an_overridden_arm_says_so_in_its_label():
    asked = suite(axes=(ARMS, grid("seed", (0, 1))), baseline="zigzag")
    changed = override(asked, {"scan.curve": "raster", "training.steps": 9, "resources.gpus": 1})
    cells = list(expand(changed, {"scan.curve": "raster", "training.steps": 9}, ["arm=zigzag"]))
    assert {cell.labels["arm"] for cell in cells} == {"zigzag [scan.curve=raster]"}
    assert {cell.spec.scan.curve for cell in cells} == {"raster"}
    assert changed.baseline == "zigzag [scan.curve=raster]"
    assert changed.name == f"{asked.name}-scan.curve-raster-training.steps-9"
    assert override(asked, {"resources.gpus": 1}) == asked


def test_an_arm_is_added_as_the_baseline_with_a_key_changed():
    contrast = Contrast("hilbert", "zigzag", says="the curve")
    asked = suite(axes=(ARMS, grid("seed", (0, 1))), baseline="zigzag", contrasts=(contrast,))
    longer = add_arm(asked, "mine:scan.curve=raster,training.steps=7")
    cells = {cell.labels["arm"]: cell.spec for cell in expand(longer)}
    assert list(cells) == ["zigzag", "hilbert", "mine"]
    assert (cells["mine"].scan.curve, cells["mine"].training.steps) == ("raster", 7)
    assert [cell.spec.id for cell in expand(longer)][:4] == [cell.spec.id for cell in expand(asked)]
    assert longer.contrasts[:1] == asked.contrasts
    assert (longer.contrasts[1].a, longer.contrasts[1].b) == ("mine", "zigzag")
    assert "scan.curve raster instead of zigzag" in longer.contrasts[1].says
    for wrong, words in (("mine", "is not an arm"), ("hilbert:scan.curve=raster", "has an arm 'hilbert'")):
        with pytest.raises(ValueError, match=words):
            add_arm(asked, wrong)


@pytest.fixture
def sweep(tiny) -> Suite:
    arms = Axis("arm", {"one": {"scan.schemes": 1}, "two": {"scan.schemes": 2}})
    seeds = grid("seed", (0, 1))
    trained = Suite(
        name="trained", question="Which?", base=tiny, axes=(arms, seeds), exclude=({"arm": "two", "seed": "1"},)
    )
    guidance = grid("sampler.guidance", (1.0, 2.0), name="guidance")
    base = {"evaluation.metrics": ["frechet_random"]}
    return Suite(name="sweep", question="Which?", networks=trained, base=base, axes=(arms, guidance, seeds))


def test_a_suite_of_trained_networks_measures_each_of_them_and_trains_none(sweep) -> None:
    trained = {tuple(cell.labels.values()): cell.spec for cell in expand(sweep.networks)}
    cells = list(expand(sweep))
    assert len(cells) == 2 * len(trained) == 6
    for cell in cells:
        network = trained[cell.labels["arm"], cell.labels["seed"]]
        assert (cell.spec.task, cell.spec.trained) == ("evaluate", network.id)
        assert (cell.spec.seed, cell.spec.scan, cell.spec.training) == (network.seed, network.scan, network.training)
        assert str(cell.spec.sampler.guidance) == cell.labels["guidance"]


def test_what_is_overridden_of_a_measurement_needs_no_other_training(sweep) -> None:
    networks = {cell.spec.trained for cell in expand(sweep)}
    measured = {"evaluation.samples": 7, "sampler.steps": 3, "ema_std": 0.1}
    assert {cell.spec.trained for cell in expand(override(sweep, measured), measured)} == networks
    longer = {"training.steps": 9}
    others = {cell.spec.trained for cell in expand(override(sweep, longer), longer)}
    assert others == {cell.spec.id for cell in expand(sweep.networks, longer)}
    assert not others & networks
    relabelled = {"scan.schemes": 4}
    with pytest.raises(ValueError, match="are the same run"):
        list(expand(override(sweep, relabelled), relabelled))


def test_a_suite_of_trained_networks_names_their_axes_and_takes_no_further_arm(sweep) -> None:
    with pytest.raises(ValueError, match="trains nothing: it measures the networks of 'trained'"):
        add_arm(sweep, "mine:scan.schemes=3")
    with pytest.raises(ValueError, match="has no axis seed of theirs"):
        Suite(name="x", question="Which?", networks=sweep.networks, base={}, axes=sweep.axes[:2])


def chain(**changes: object) -> Suite:
    """A teacher, its student, and the student's own student, with two seeds."""
    points = {
        "teacher": {"training.steps": 5},
        "student": {"training.start": RunOf({"arm": "teacher"})},
        "third": {"training.start": RunOf({"arm": "student"}), "optimizer.lr": 0.5},
    }
    return suite(axes=(Axis("arm", points), grid("seed", (0, 1))), **changes)


def test_a_run_is_named_by_the_labels_of_its_cell():
    by_name = {cell.name: cell.spec for cell in expand(chain())}
    for seed in (0, 1):
        teacher, student, third = (by_name[f"{arm} · seed {seed}"] for arm in ("teacher", "student", "third"))
        assert (teacher.needs, student.needs, third.needs) == ((), (teacher.id,), (student.id,))
    # A setting of the teacher is one of its students.
    longer = {cell.name: cell.spec for cell in expand(chain(), {"training.batch": 7})}
    assert longer["student · seed 0"].needs == (longer["teacher · seed 0"].id,) != (by_name["teacher · seed 0"].id,)


def test_an_overridden_arm_is_still_found_by_its_name():
    changed = override(chain(), {"training.steps": 9})
    cells = {cell.labels["arm"]: cell.spec for cell in expand(changed, {"training.steps": 9}, ["seed=0"])}
    assert cells["student"].needs == (cells["teacher [training.steps=9]"].id,)


def test_the_students_of_a_selection_keep_their_teacher():
    (student,) = expand(chain(), only=["arm=student", "seed=1"])
    assert student.spec.needs == (next(expand(chain(), only=["arm=teacher", "seed=1"])).spec.id,)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ({"arm": "none"}, "arm is one of a, b"), ({"size": "a"}, "the axes are arm"),
        ({"arm": "b"}, "names a run that needs it"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_named_is_refused(label, problem):
    points = {"a": {"training.start": RunOf(label)}, "b": {"training.start": RunOf({"arm": "a"})}}
    with pytest.raises(ValueError, match=problem):
        list(expand(suite(axes=(Axis("arm", points),))))


def test_keys_of_single_cells_come_after_the_axes_and_before_overrides():
    points = {"a": {"optimizer.lr": 1e-2}, "b": {"optimizer.lr": 1e-2, "scan.schemes": 2}}
    cells = (({"arm": "a", "training.steps": "9"}, {"optimizer.lr": 5e-3}),)
    asked = suite(axes=(Axis("arm", points), grid("training.steps", (3, 9))), cells=cells)
    rates = {(c.labels["arm"], c.spec.training.steps): c.spec.optimizer.lr for c in expand(asked)}
    assert rates == {("a", 3): 1e-2, ("a", 9): 5e-3, ("b", 3): 1e-2, ("b", 9): 1e-2}
    same = {c.spec.optimizer.lr for c in expand(override(asked, {"optimizer.lr": 1e-3}), {"optimizer.lr": 1e-3})}
    assert same == {1e-3}
    renamed = expand(override(asked, {"training.batch": 2}), {"training.batch": 2})
    assert [c.spec.optimizer.lr for c in renamed] == list(rates.values())
    with pytest.raises(ValueError, match="sets keys of cells with arm 'c', and has no such cell"):
        suite(axes=(Axis("arm", points),), cells=(({"arm": "c"}, {}),))
