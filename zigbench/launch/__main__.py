"""The processes that a launch starts: the epilogue of a task in its job's script, and background launches."""

from zigbench.launch.retry import TaskEnd, requeue_or_record
from zigbench.launch.submit import BackgroundOptions, run_background
from zigbench.runs.process import read_options

options = read_options(TaskEnd, BackgroundOptions)
if isinstance(options, TaskEnd):
    requeue_or_record(options)
elif isinstance(options, BackgroundOptions):
    run_background(options)
