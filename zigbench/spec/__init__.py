"""The spec of a run: typed, frozen, fully resolved, with an identity.

A :class:`RunSpec` never exists half-resolved: parsing looks up the backbone's and the data set's own typed
configs (without importing torch), fills every default and checks the parts against each other. Its ``id`` is
the hash of that resolved form: two specs that mean the same run have the same id however they were written.
"""

from zigbench.spec.base import (
    LATER,
    NOT_IDENTITY,
    Above,
    OneOf,
    Position,
    Positive,
    Share,
    Spec,
    Unit,
    canonical_json,
    later_key,
)
from zigbench.spec.cost import Cost
from zigbench.spec.faults import read
from zigbench.spec.geometry import Geometry
from zigbench.spec.network import NetworkSpec
from zigbench.spec.plugins import BackboneConfig, BackboneSpec, DataConfig, DataSpec, ObjectiveConfig, ObjectiveSpec
from zigbench.spec.presets import PRESETS
from zigbench.spec.published import PublishedSetting
from zigbench.spec.resources import Resources
from zigbench.spec.run import EfficiencyRun, EvaluationRun, RunSpec, TrainingRun, spec_id
from zigbench.spec.sections import (
    EfficiencySpec,
    EvaluationSpec,
    InterpolantSpec,
    OptimizerSpec,
    SamplerSpec,
    ScanSpec,
    TrainingSpec,
)

__all__ = [
    "LATER", "NOT_IDENTITY", "PRESETS", "Above", "BackboneConfig", "BackboneSpec", "Cost", "DataConfig", "DataSpec",
    "EfficiencyRun", "EfficiencySpec", "EvaluationRun", "EvaluationSpec", "Geometry", "InterpolantSpec",
    "NetworkSpec", "ObjectiveConfig", "ObjectiveSpec", "OneOf", "OptimizerSpec", "Position", "Positive",
    "PublishedSetting", "Resources", "RunSpec", "SamplerSpec", "ScanSpec", "Share", "Spec", "TrainingRun",
    "TrainingSpec", "Unit", "canonical_json", "later_key", "read", "spec_id",
]  # fmt: skip
