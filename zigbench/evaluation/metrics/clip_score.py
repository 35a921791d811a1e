"""CLIP score: how well samples agree with the captions that they were drawn for.

100 max(cos(image, caption), 0), averaged over the samples; Hessel et al., "CLIPScore" (2021), equation 1, with the
weight 100 in place of 2.5 and the caption as it is.
"""

from __future__ import annotations

from torch.nn import functional

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.records.record import Measurement

SCALE = 100.0


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the mean score of the samples, with its interval."""
    captions = context.captions()
    encoder = context.text_encoder(metric, captions)
    cosine = functional.cosine_similarity(
        context.features(metric).double(), encoder.encode(captions.texts).double(), dim=1
    )
    scores = SCALE * cosine.clamp(min=0)
    protocol = context.protocol(
        metric,
        estimator=f"mean of {SCALE:g} × max(cosine of image and caption, 0); captions cut to {encoder.length} tokens, "
        f"tokenizer {encoder.sha256[:16]}",
        reference=captions.name,
        reference_count=len(set(captions.texts)),
        reference_hash=captions.content_hash,
    )
    value = float(scores.mean())
    interval = context.interval(metric, value, lambda rows: scores[rows].mean(1).tolist())
    return (
        Measurement(name=metric.name, value=value, higher_is_better=True, interval=interval, protocol=protocol.hash),
    )
