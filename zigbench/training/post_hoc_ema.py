"""Averages of any width after a training: snapshots of two power-function averages, recombined by least squares.

The average of relative width σ at step T weights the iterate of step t by p(t) = (γ + 1) t^γ / T^(γ + 1), γ of
:func:`zigbench.training.ema.power_exponent`. Snapshots of some widths at some steps span many such profiles, and the
combination whose profile is closest to the wanted one in L² stands for it; Karras et al., "Analyzing and improving the
training dynamics of diffusion models" (2024), section 3.2 and appendix C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from zigbench.spec import TrainingSpec
from zigbench.spec.files import write_atomically
from zigbench.training.ema import power_exponent

FOLDER = "averages"
"""Folder of the snapshots in a run's folder, a file a step."""

SNAPSHOTS = 32
"""Steps of which snapshots are kept, where the spec does not set their distance."""


def due(training: TrainingSpec, step: int) -> bool:
    """Return whether snapshots are kept of this step: of every so many, and of the last."""
    every = training.ema_every or max(1, training.steps // SNAPSHOTS)
    return bool(training.ema_widths) and (step % every == 0 or step == training.steps)


def write(folder: Path, step: int, averages: Mapping[float, Mapping[str, Tensor]]) -> None:
    """Write the snapshots of one step into a run's folder, atomically.

    Args:
        folder: the run's folder.
        step: steps done.
        averages: the averaged parameters by their names, for each relative width.

    Raises:
        OSError: the file can't be written.
    """
    tensors = {
        f"{width!r}/{name}": tensor.detach().cpu().contiguous().clone()
        for width, parameters in averages.items()
        for name, tensor in parameters.items()
    }
    (folder / FOLDER).mkdir(exist_ok=True)
    write_atomically(folder / FOLDER / f"{step:09d}.safetensors", safetensors.torch.save(tensors))


def overlap(steps: np.ndarray, exponents: np.ndarray, step: float, exponent: float) -> np.ndarray:
    """Return ∫ p_i p dt of each profile with one other, float64 (N,); Karras et al. (2024), equation 162.

    Args:
        steps, exponents: last step and γ of each profile, float64 (N,).
        step, exponent: those of the other.
    """
    common = np.minimum(steps, step)
    # t^γ / T^(γ + 1) as powers of common / T: no power of a large number.
    powers = (common / steps) ** exponents * (common / step) ** exponent * common / (steps * step)
    overlaps: np.ndarray = (exponents + 1) * (exponent + 1) / (exponents + exponent + 1) * powers
    return overlaps


def coefficients(snapshots: Sequence[tuple[float, float]], step: float, width: float) -> np.ndarray:
    """Return the factors of snapshots whose sum has the profile closest to that of one average, float64 (N,), sum 1.

    A snapshot of that width and step alone has the factor 1.

    Args:
        snapshots: step and relative width of each.
        step, width: those of the wanted average.
    """
    if (step, width) in snapshots:
        return np.eye(len(snapshots))[snapshots.index((step, width))]
    ends = np.array([end for end, _ in snapshots], dtype=float)
    exponents = np.array([power_exponent(each) for _, each in snapshots])
    gram = np.stack([overlap(ends, exponents, *pair) for pair in zip(ends, exponents, strict=True)])
    length = np.sqrt(np.diag(gram))
    wanted = overlap(ends, exponents, step, power_exponent(width))
    # Brought to length 1, neighbouring profiles are nearly equal but solved to the last digits that they differ in.
    factors = np.linalg.lstsq(gram / np.outer(length, length), wanted / length, rcond=1e-12)[0] / length
    normalised: np.ndarray = factors / factors.sum()
    return normalised


def recombine(folder: Path, width: float, step: int) -> dict[str, Tensor]:
    """Return the averaged parameters of one relative width, by their names, from the snapshots in a run's folder.

    Args:
        folder: the run's folder.
        width: relative width, in (0, 0.28).
        step: the training's last step.

    Raises:
        ValueError: there are no snapshots, those of the last step are missing, or a file is damaged.
    """
    files = {int(path.stem): path for path in sorted((folder / FOLDER).glob("*.safetensors"))}
    if not files:
        raise ValueError(
            f"{folder} has no snapshots of averages, from which a width is recombined: train with training.ema_widths"
        )
    if step not in files:
        raise ValueError(f"{folder / FOLDER} has no snapshots after step {step}, the last one of the training")
    names = {at: _names(path) for at, path in files.items() if at <= step}
    snapshots = [(at, each) for at, of_file in names.items() for each in of_file]
    factors = coefficients(snapshots, step, width)
    sums: dict[str, Tensor] = {}
    for at, of_file in names.items():
        chosen = {each: factors[snapshots.index((at, each))] for each in of_file}
        with safetensors.safe_open(files[at], framework="pt") as file:
            for each, factor in chosen.items():
                for name in of_file[each] if factor else ():
                    term = file.get_tensor(f"{each!r}/{name}").double() * float(factor)
                    sums[name] = sums[name] + term if name in sums else term
    return {name: total.to(torch.float32) for name, total in sums.items()}


def _names(path: Path) -> dict[float, list[str]]:
    """Return the names of the parameters in a file of snapshots, by relative width."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            keys = [key.partition("/") for key in file.keys()]  # noqa: SIM118 - the file is no mapping
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete the run's record and train it again") from None
    names: dict[float, list[str]] = {}
    for width, _, name in keys:
        names.setdefault(float(width), []).append(name)
    return names
