"""The sections of a spec that are not plug-ins, one file each."""

from zigbench.spec.sections.efficiency import EfficiencySpec
from zigbench.spec.sections.evaluation import EvaluationSpec
from zigbench.spec.sections.interpolant import InterpolantSpec
from zigbench.spec.sections.optimizer import OptimizerSpec
from zigbench.spec.sections.sampler import SamplerSpec
from zigbench.spec.sections.scan import ScanSpec
from zigbench.spec.sections.training import TrainingSpec

__all__ = [
    "EfficiencySpec",
    "EvaluationSpec",
    "InterpolantSpec",
    "OptimizerSpec",
    "SamplerSpec",
    "ScanSpec",
    "TrainingSpec",
]
