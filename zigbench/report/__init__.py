"""Reports: records and a suite in; one self-contained page, its figures and its tables out. Never imports torch."""

from zigbench.report.benchmarks import write_benchmarks
from zigbench.report.index import write_index
from zigbench.report.page import write
from zigbench.report.summary import write_summary

__all__ = ["write", "write_benchmarks", "write_index", "write_summary"]
