"""The conditions under which a number was measured, with a hash: numbers of unequal hashes are not comparable."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zigbench.records.folder import RunFiles, RunFolder
from zigbench.spec import Spec, canonical_json, later_key
from zigbench.spec.files import short_sha256, write_atomically

FILE = "protocols.json"


class Protocol(Spec):
    """The conditions of one metric of one run. A condition that the metric does not depend on is None.

    A key that a later version adds is declared with :func:`zigbench.spec.later_key`, so that what was measured before
    keeps its hash; of the keys below, which were there from the start, the hash holds the None too.

    The run's seed is not part of it: runs that differ in their seed alone are measured alike. The indices of the
    samples are, since sample i of a run is a function of its seed and of i.

    For example, the reason why two numbers are not comparable::

        difference(Protocol(metric="fid", estimator="exact", samples=5_000), other)

    Args:
        metric: name of the metric.
        estimator: computation of the number from features or errors, with its settings.
        extractor: name of the network whose features are compared.
        feature: name of the feature.
        weights: SHA-256 of the extractor's weights.
        preparation: preparation of images of 0 to 255 for the extractor: channels, resizing filter, scaling.
        reference: name of the reference images.
        reference_split: their split.
        reference_count: their number.
        reference_hash: hash of their content.
        samples: number of generated samples.
        indices: first and last index of the samples.
        labels: choice of the samples' labels or texts.
        solver, steps, guidance: solver, number of steps and guidance scale of the sampler.
        sampler_options: other settings of the sampler, if there are any.
        decoder: name of the map from the network's output to pixels; None if its output is pixels.
        image_range: the network's range of pixels, and its quantisation to 0 to 255.
        precision: precision of the network's arithmetic.
        network: the measured weights.
        triples: choice of the images of the held-out triples.
        preset: the published protocol that the run follows.
        sample_sets: number of sets of samples that the figure is the mean over.
        classifier: SHA-256 of the weights of the classifier that guides the samples.
        reference_unlabelled: hash of the reference images without labels and texts, where ``reference_hash`` includes
            some. It is not part of the hash.
    """

    metric: str
    estimator: str
    extractor: str | None = None
    feature: str | None = None
    weights: str | None = None
    preparation: str | None = None
    reference: str | None = None
    reference_split: str | None = None
    reference_count: int | None = None
    reference_hash: str | None = None
    samples: int | None = None
    indices: tuple[int, int] | None = None
    labels: str | None = None
    solver: str | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler_options: dict[str, Any] | None = None
    decoder: str | None = None
    image_range: str | None = None
    precision: str = "float32"
    network: str = "averaged weights"
    triples: str = later_key("consecutive")
    preset: str | None = later_key(None)
    sample_sets: int = later_key(1)
    classifier: str | None = later_key(None)
    reference_unlabelled: str | None = later_key(None, identity=False)

    @property
    def hash(self) -> str:
        """First sixteen hexadecimal digits of the SHA-256 of the protocol as sorted JSON."""
        return short_sha256(canonical_json(self.model_dump(mode="json", exclude={"reference_unlabelled"})))

    @property
    def as_seen(self) -> Protocol:
        """The conditions as the metric sees them, which compares images without their labels and texts.

        Numbers are comparable where the hashes of these are equal.
        """
        images = self.reference_unlabelled or self.reference_hash
        return self.model_copy(update={"reference_hash": images, "reference_unlabelled": None})

    @property
    def without_sampler(self) -> Protocol:
        """The conditions as the metric sees them, but for the sampler, which two arms may differ in by their specs."""
        sampler = ("solver", "steps", "guidance", "sampler_options", "classifier")
        return self.as_seen.model_copy(update=dict.fromkeys(sampler))


_WORDS = {
    "metric": "the metric",
    "estimator": "the estimator",
    "extractor": "the feature extractor",
    "feature": "the feature",
    "weights": "the extractor's weights (SHA-256)",
    "preparation": "the preparation of the images",
    "reference": "the reference set",
    "reference_split": "the reference split",
    "reference_count": "the number of reference images",
    "reference_hash": "the reference images (content hash)",
    "samples": "the number of samples",
    "indices": "the indices of the samples",
    "labels": "the choice of labels",
    "solver": "the solver",
    "steps": "the number of solver steps",
    "guidance": "the guidance scale",
    "sampler_options": "the sampler's other settings",
    "decoder": "the decoder",
    "image_range": "the image range and quantisation",
    "precision": "the precision",
    "network": "the weights measured",
    "triples": "the choice of the triples' images",
    "preset": "the preset of the protocol",
    "sample_sets": "the number of sample sets",
    "classifier": "the classifier that guides (SHA-256)",
}


def difference(a: Protocol, b: Protocol) -> tuple[str, ...]:
    """Return a sentence for each difference of two protocols; none if the numbers are comparable."""
    sentences = []
    for key, words in _WORDS.items():
        left, right = getattr(a.as_seen, key), getattr(b.as_seen, key)
        if left != right:
            sentences.append(f"{words} differs: {_shown(left)} against {_shown(right)}")
    return tuple(sentences)


def compare(a: Path | RunFiles, b: Path | RunFiles) -> dict[str, tuple[str, ...]]:
    """Return what differs between the protocols of two runs, by metric; only metrics that both have.

    Raises:
        ValueError: as :func:`read_protocols`.
    """
    left, right = ({p.metric: p for p in read_protocols(run).values()} for run in (a, b))
    return {name: difference(left[name], right[name]) for name in sorted(left.keys() & right.keys())}


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "–".join(map(str, value))
    return str(value)


def write_protocols(folder: Path, protocols: Iterable[Protocol]) -> None:
    """Write the protocols of a run into its folder, under their hashes."""
    body = {protocol.hash: protocol.model_dump(mode="json") for protocol in protocols}
    text = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(folder / FILE, f"{text}\n".encode())


def read_protocols(run: Path | RunFiles) -> dict[str, Protocol]:
    """Return the protocols a run was measured under, by their hashes; empty where it has none.

    Args:
        run: folder of the run, or its files wherever they lie.

    Raises:
        ValueError: the file is damaged, or a protocol does not hash to its name.
    """
    files = RunFolder(run) if isinstance(run, Path) else run
    content, path = files.read(FILE), files.path / FILE
    if content is None:
        return {}
    try:
        body = json.loads(content)
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON ({error}): truncated or edited") from None
    protocols = {name: Protocol.model_validate(value) for name, value in body.items()}
    for name, protocol in protocols.items():
        if protocol.hash != name:
            raise ValueError(f"{path}: the protocol {name} hashes to {protocol.hash}: edited")
    return protocols
