"""The training of a network, one step after the other: read :meth:`Trainer.train` from top to bottom.

The random numbers of a step are a function of the seed and the step's number, never of a global generator. A training
that was killed and is resumed from its checkpoint therefore ends with the same bits as an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from zigbench.backbone import recomputed
from zigbench.data.split import Split
from zigbench.interpolant import Interpolant
from zigbench.objectives.base import Objective
from zigbench.objectives.config import InterpolantConfig
from zigbench.objectives.interpolant import InterpolantObjective
from zigbench.preemption import Preempted, allow, never
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.spec.rng import derive_seed
from zigbench.training import parallel, post_hoc_ema
from zigbench.training.arguments import TrainingArguments, TrainingResult
from zigbench.training.batches import BatchLoader, TrainingBatch
from zigbench.training.checkpoints import Checkpoint, CheckpointError, CheckpointManager
from zigbench.training.divergence import DivergedError, locate, locate_in_gradients
from zigbench.training.ema import EMA
from zigbench.training.logging import Counters, SpeedMeter, TrainingLog
from zigbench.training.optim import (
    clip_gradients,
    gradient_norm,
    learning_rate,
    load_optimizer_state,
    local_gradients,
    make_optimizer,
    optimizer_state,
)
from zigbench.training.threads import choose_threads

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""Precisions of the products in a forward pass; weights are always float32."""


def fit(
    model: nn.Module,
    interpolant: Interpolant,
    split: Split,
    *,
    optimizer: OptimizerSpec,
    training: TrainingSpec,
    seed: int,
    folder: Path,
    on_step: Callable[[int, float, float], None] | None = None,
    device: torch.device | str = "cpu",
    label_dropout: float = 0.0,
    stop_requested: Callable[[], bool] = never,
    peak_images_per_second: float | None = None,
    measure_at: Collection[int] = (),
    measure: Callable[[int, nn.Module], None] | None = None,
    before_write: Callable[[], None] = allow,
    objective: Objective | None = None,
) -> TrainingResult:
    """Train ``model`` on ``split``, from the newest checkpoint in ``folder`` where there is one.

    The result is a function of the arguments: a training that was killed and started again ends with the same bits as
    an uninterrupted one (on a GPU, as far as its kernels are deterministic). It writes ``log.jsonl`` (exact),
    ``telemetry.jsonl`` (wall-clock figures) and ``checkpoints/`` in the folder. Where several processes have joined
    (see :mod:`zigbench.training.parallel`) each calls this with the same arguments and its own device.

    Args:
        model: maps (x, t, label, context) to its prediction; it is trained in place.
        interpolant: path, prediction, weighting, times, coupling.
        split: data to train on.
        optimizer, training: see the spec.
        seed: all random numbers are functions of it and the step.
        folder: of the run.
        on_step: called on rank 0 after each step with (steps done, loss, learning rate).
        device: where to compute.
        label_dropout: share of samples trained without label and context, for guidance.
        stop_requested: called after each step on every process; when one returns true, the training writes a checkpoint
            and stops.
        peak_images_per_second: images a second that one device would train on if it did nothing but matrix products,
            for the telemetry; None where that is not known.
        measure_at: numbers of steps after which ``measure`` is called, again where a resumed training repeats them.
        measure: called on every process with (steps done, averaged network in evaluation mode), before that step's
            checkpoint; it must not change the network. The time it takes is not part of the telemetry.
        before_write: called on rank 0 before each checkpoint and before lines of a log are written; it raises where
            this process may not write any more, because another has taken the folder over.
        objective: what the network is trained for; None for the regression of the interpolant's prediction.

    Returns:
        The averaged network and the figures of the training.

    Raises:
        ValueError: arguments that are not allowed together, before the first step.
        CheckpointError: the folder's checkpoints are damaged, or of another network or run.
        DivergedError: the loss or its gradient is not finite; the last checkpoint stays.
        OSError: a checkpoint or a log can't be written.
        Preempted: on request; the checkpoint of this very step is written.
    """
    device = torch.device(device)
    if device.type == "cpu":
        choose_threads(model)
    arguments = TrainingArguments(
        model=model.to(device).train(),
        interpolant=interpolant,
        objective=objective or InterpolantObjective(InterpolantConfig(), interpolant),
        split=split,
        optimizer=optimizer,
        training=training,
        seed=seed,
        folder=folder,
        on_step=on_step,
        device=device,
        label_dropout=label_dropout,
        stop_requested=stop_requested,
        peak_images_per_second=peak_images_per_second,
        measure_at=measure_at,
        measure=measure,
        before_write=before_write,
    )
    world = parallel.current_world()
    arguments.check(world.size)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        stack.enter_context(matrix_precision(training.precision))
        trainer = Trainer(arguments, world)
        stack.callback(trainer.log.close)
        if training.activation_checkpointing:
            stack.enter_context(recomputed(model))
        trainer.train()
        return trainer.result()


class Trainer:
    """One training of a network by one process of a group.

    Args:
        arguments: checked arguments of :func:`fit`.
        world: this process among all.
    """

    def __init__(self, arguments: TrainingArguments, world: parallel.World) -> None:
        self.arguments = arguments
        self.world = world
        model, training, device = arguments.model, arguments.training, arguments.device
        self.model = model
        self.facts = arguments.facts

        # The called network: compiled, and replicated (DDP) or sharded (FSDP) over several processes.
        average = copy.deepcopy(model)
        sharded = training.distribution == "sharded" and world.size > 1
        if sharded:
            parallel.shard_fsdp(model, world, device)
        self.forward = cast(nn.Module, torch.compile(model)) if training.compile else model
        if world.size > 1 and not sharded:
            self.forward = parallel.wrap_ddp(self.forward, device)

        # Weights are float32; with float16 the loss is scaled up, because small gradients would vanish.
        self.widths = {
            width: EMA(model, copy.deepcopy(average), training.model_copy(update={"ema_std": width}))
            for width in training.ema_widths
        }
        self.ema = EMA(model, average, training)
        self.optimizer = make_optimizer(model, arguments.optimizer)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.scaler = torch.amp.GradScaler(device.type, enabled=training.precision == "float16")

        self.loader = BatchLoader(
            arguments.split,
            arguments.objective,
            seed=arguments.seed,
            batch=training.batch,
            label_dropout=arguments.label_dropout,
            world=world,
            device=device,
        )
        self.counters = Counters(training.steps)
        self.checkpoints = CheckpointManager(
            arguments.folder / "checkpoints", every=training.checkpoint_every, keep_every=training.keep_every
        )
        lengths = self._resume()
        self.log = TrainingLog(
            arguments.folder, training, lengths, main=world.main, before_write=arguments.before_write
        )

    def train(self) -> None:
        """Do the remaining steps and write the checkpoint of the last.

        Raises:
            DivergedError: see :func:`fit`, as for OSError and Preempted.
        """
        training, counters, world = self.arguments.training, self.counters, self.world
        meter = self._speed_meter()
        batches = self.loader.batches(counters.step, training.steps)
        batch = meter.wait_for(batches)
        saved_at = time.monotonic()
        while batch is not None:
            # Random numbers inside the network (such as dropped paths) are a function of (seed, step, process).
            self._seed_network(batch.step)

            # Forward and backward pass, part by part; processes exchange gradients once a step, with the last part.
            for parameter in self.parameters:
                parameter.grad = None
            losses = []
            for number, part in enumerate(batch.parts(training.accumulate), 1):
                local_only = world.size > 1 and number < training.accumulate
                with parallel.no_sync(self.forward) if local_only else contextlib.nullcontext():
                    part_loss = self._loss(self.forward, part)
                    if training.accumulate > 1:
                        part_loss = part_loss / training.accumulate
                    self.scaler.scale(part_loss).backward()
                losses.append(part_loss.detach())

            # Prepare the next batch before waiting for the loss, so that a GPU computes in the meantime.
            next_batch = meter.wait_for(batches)

            # Loss and gradient norm of the whole batch, and whether any process wants a checkpoint: one exchange.
            late = self.arguments.stop_requested() or time.monotonic() - saved_at >= training.checkpoint_seconds
            if self.scaler.is_enabled():
                self.scaler.unscale_(self.optimizer)
            gradients = local_gradients(self.parameters)
            loss, norm, save = self._exchange(sum(losses[1:], losses[0]), gradient_norm(gradients), late)

            # A loss or gradient that is not finite ends the training, unless float16's scale alone is the cause.
            if not (math.isfinite(loss) and math.isfinite(norm)) and not self._overflowed(loss):
                raise self._diverged(batch, loss, norm)

            # Clip, set the rate, update the weights. The scaler skips a step that overflowed, and lowers its scale.
            clip_gradients(gradients, norm, self.arguments.optimizer.clip)
            rate = learning_rate(self.arguments.optimizer, batch.step, training.steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.scaler.step(self.optimizer)
            self.scaler.update()

            # Average the weights.
            counters.add(loss)
            self.ema.update(counters.step)
            for further in self.widths.values():
                further.update(counters.step)
            if post_hoc_ema.due(training, counters.step):
                self._save_averages()

            # Log.
            if counters.step % self.log.every == 0 or next_batch is None:
                finite_norm = norm if math.isfinite(norm) else None
                self.log.write(
                    {"step": counters.step, "loss": counters.mean_loss(), "lr": rate, "grad_norm": finite_norm}
                )
            if meter.due() or next_batch is None:
                counters.seconds = meter.seconds
                self.log.write_telemetry(meter.line(counters.step))
            if self.arguments.on_step is not None and world.main:
                self.arguments.on_step(counters.step, loss, rate)

            # Measure the averaged weights, in the arithmetic in which they are measured after the training.
            if self.arguments.measure is not None and counters.step in self.arguments.measure_at:
                self.ema.gather()
                with meter.pause(), matrix_precision(None):
                    self.arguments.measure(counters.step, self.ema.model)

            # Checkpoint. All processes stop after the same step, so a request to stop is acted on here only.
            if save or self.checkpoints.due(counters.step):
                counters.seconds = meter.seconds
                self._save()
                if any(world.gather(self.arguments.stop_requested())):
                    raise Preempted
                saved_at = time.monotonic()
            batch = next_batch
        if not world.broadcast(counters.step in self.checkpoints.steps()):
            self._save()

    def result(self) -> TrainingResult:
        """Return the outcome of the steps that are done."""
        counters = self.counters
        return TrainingResult(
            model=self.ema.model,
            step=counters.step,
            images_seen=counters.step * self.arguments.training.batch,
            loss=counters.final_loss,
            curve=self.world.broadcast(self.log.curve()),
        )

    def _seed_network(self, step: int) -> None:
        seed = derive_seed(self.arguments.seed, "network", step, self.world.rank)
        torch.default_generator.manual_seed(seed)
        if self.arguments.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _loss(self, forward: nn.Module, part: TrainingBatch) -> Tensor:
        """Return the mean loss of a part of the batch, shape ()."""
        dtype = AUTOCAST.get(self.arguments.training.precision)
        autocast = torch.autocast(self.arguments.device.type, dtype=dtype) if dtype else contextlib.nullcontext()
        with autocast:
            losses = self.arguments.objective.loss(
                forward,
                part,
                network=self.model,
                average=self.ema.model,
                step=part.step,
                steps=self.arguments.training.steps,
            )
        return losses.mean()

    def _exchange(self, loss: Tensor, norm: Tensor, flag: bool) -> tuple[float, float, bool]:
        """Wait for the device and return loss and gradient norm over all processes, and whether any flag is true.

        Args:
            loss: mean over this process's share, shape ().
            norm: of this process's gradients, shape (); of a sharded network these are parts of the whole gradient.
            flag: of this process.
        """
        if self.world.size > 1:
            loss, flags, square = self.world.mean(torch.stack([loss, loss.new_tensor(float(flag)), norm.square()]))
            flag = bool(flags > 0)
            if self.arguments.training.distribution == "sharded":
                norm = (square * self.world.size).sqrt()
        loss_value, norm_value = torch.stack([loss, norm]).tolist()
        return loss_value, norm_value, flag

    def _overflowed(self, loss: float) -> bool:
        """Return whether the scale of the loss may be the cause of a gradient that is not finite."""
        return self.scaler.is_enabled() and math.isfinite(loss) and self.scaler.get_scale() > 1.0

    def _diverged(self, batch: TrainingBatch, loss: float, norm: float) -> DivergedError:
        """Return the error for a step, with the layer where it began: of all processes, the first that names one."""
        if self.arguments.training.distribution == "sharded":
            own = locate_in_gradients(self.model)
        else:
            self._seed_network(batch.step)
            own = locate(self.model, lambda: self._loss(self.model, batch))
        layer, reason = next((origin for origin in self.world.gather(own) if origin.layer), own)
        return DivergedError(batch.step + 1, layer, f"{reason} (loss {loss:g}, gradient norm {norm:g})")

    def _save_averages(self) -> None:
        """Write snapshots of the averages of all widths; every process gives its parts, rank 0 writes."""
        for further in self.widths.values():
            further.gather()
        if self.world.main:
            self.arguments.before_write()
            averages = {width: dict(further.model.named_parameters()) for width, further in self.widths.items()}
            post_hoc_ema.write(self.arguments.folder, self.counters.step, averages)

    def _save(self) -> None:
        """Write a checkpoint; every process gives its parts of a sharded network, rank 0 writes."""
        for each in (self.ema, *self.widths.values()):
            each.gather()
        weights, optimizer = parallel.full_tensors(self.model.state_dict()), optimizer_state(self.optimizer)
        if not self.world.main:
            return
        state = {
            "optimizer": optimizer,
            "scaler": self.scaler.state_dict(),
            "progress": self.counters.state_dict(),
            "lengths": list(self.log.sync()),
            **({"averages": [each.model.state_dict() for each in self.widths.values()]} if self.widths else {}),
        }
        average = self.ema.model.state_dict()
        self.arguments.before_write()
        self.checkpoints.save(Checkpoint(self.counters.step, self.facts, weights, average, state))

    def _resume(self) -> tuple[int, int]:
        """Load the newest sound checkpoint, remove later ones, and return the lengths of log and telemetry.

        Raises:
            CheckpointError: it is of another network or run, all are damaged, or the processes see different ones.
        """
        checkpoint = self.checkpoints.newest()
        # All processes read the same files before rank 0 writes again.
        steps = self.world.gather(None if checkpoint is None else checkpoint.step)
        if len(set(steps)) > 1:
            raise CheckpointError(
                f"{self.checkpoints.folder}: the processes see different newest checkpoints, of the steps {steps}; "
                "they need one folder of results, on a file system that all their nodes share"
            )
        if checkpoint is None:
            return 0, 0
        checkpoint.check_same_run(self.facts, self.checkpoints.path(checkpoint.step))
        own = self.model.state_dict()
        weights = {name: parallel.shard_like(value, own[name]) for name, value in checkpoint.weights.items()}
        self.model.load_state_dict(weights)
        self.ema.model.load_state_dict(checkpoint.average)
        self.ema.scatter()
        for further, average in zip(self.widths.values(), checkpoint.state.get("averages", ()), strict=True):
            further.model.load_state_dict(average)
            further.scatter()
        load_optimizer_state(self.optimizer, checkpoint.state["optimizer"])
        self.scaler.load_state_dict(checkpoint.state["scaler"])
        self.counters.load_state_dict(checkpoint.state["progress"])
        if self.world.main:
            self.checkpoints.remove_after(checkpoint.step)
        log_length, telemetry_length = checkpoint.state["lengths"]
        return log_length, telemetry_length

    def _speed_meter(self) -> SpeedMeter:
        arguments = self.arguments
        geometry = getattr(self.model, "geometry", None)
        peak = arguments.peak_images_per_second
        return SpeedMeter(
            arguments.training.batch,
            geometry.tokens if geometry else 1,
            arguments.device,
            self.counters.seconds,
            None if peak is None else peak * self.world.size,
        )


@contextlib.contextmanager
def matrix_precision(precision: str | None) -> Iterator[None]:
    """Allow or forbid TF32 for float32 matrix products in the block, and restore the setting afterwards.

    Args:
        precision: a training's precision; None for torch's defaults, under which networks are evaluated.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision in ("tf32", None)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
