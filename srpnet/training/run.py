"""Episodic training: sample a batch of episodes, restore supports, segment queries, step; save so that it can go on."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from episodes.distributed import ALONE, World
from episodes.errors import InputError
from episodes.files import atomic_write
from episodes.inputs import check_regular
from srpnet.fewshot.batches import EpisodeDataset, EpisodeTensors, Indexed, shares
from srpnet.fewshot.losses import segmentation_loss
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.query_inference import QueryInference
from srpnet.nn.device import Runtime
from srpnet.training.interrupts import Interrupted, leave_signals_to_the_parent, stop_requested
from srpnet.training.log import Meter, Progress, append_line, keep_lines
from srpnet.training.settings import TrainingSettings, lr_factor, make_optimizer
from srpnet.training.workers import batches_of, handed_over

LOCAL = {"device", "cache_limit", "training.workers", "data.data", "data.pairs"}
"""Settings that may differ among the processes of a run. Of paths the content counts: pairs are compared by hash."""
FREE = LOCAL | {
    *("reuse_features", "network.checkpointing", "data.strict"),
    *("training.accumulate", "training.log_every", "training.save_every"),
}
"""Settings that may differ when a run is resumed, since they move its weights by no more than rounding."""


class TrainingRun:
    """A folder in which a network is trained, with all that is needed to go on.

    The folder holds `config.json` and `model.safetensors` (for `SRPNet.from_pretrained`), `training.pt` (weights,
    optimizer and step, for resuming) and `log.jsonl`. Each is written atomically, so that a kill at any moment leaves
    a folder that loads; the first are written before step 1.

    Several processes train one network: each learns from its share of every batch, and a failure or a wish to stop is
    shared by all. Only the first writes, into a folder that all must be able to read to resume.

    Args:
        network: Trained in place.
        settings: How.
        folder: Where.
        runtime: Device and precision.
        schedule_steps: Length of the learning-rate schedule; `settings.steps` if None. A run may stop before its end.
        resume: Go on from `training.pt`.
        identity: What else, beside the settings of network and training, must be the same to resume: the episodes'.
        world: The processes that train; a run may be resumed with another number of them.

    Raises:
        InputError: if nothing is trainable, `training.pt` cannot be read or is of another run, or the processes do
            not divide the batch.
    """

    def __init__(
        self,
        network: SRPNet,
        settings: TrainingSettings,
        folder: Path,
        runtime: Runtime,
        schedule_steps: int | None = None,
        resume: bool = False,
        identity: Mapping[str, Any] | None = None,
        world: World = ALONE,
    ) -> None:
        settings.share(world.size)
        self.network = network.place(runtime.device)
        self.settings, self.folder, self.runtime, self.world = settings, folder, runtime, world
        self.schedule_steps = schedule_steps or settings.steps
        self.identity = flat({**(identity or {}), "network": asdict(network.config), "training": asdict(settings)})
        self.identity["schedule_steps"] = self.schedule_steps
        world.check_same({name: value for name, value in self.identity.items() if name not in LOCAL})
        self.step = 0
        self.validations: dict[int, float] = {}
        self.optimizer = make_optimizer(network, settings)
        if resume:
            with world.together():
                self._load()
            world.check_same({"the step to go on from": self.step})  # an --out that is not shared may hold an old copy
        else:
            self.save()
        losses = EpisodeLosses(network, settings, runtime)
        # It starts all processes from the first one's weights.
        self.losses = DistributedDataParallel(losses) if world.size > 1 else losses

    def train(
        self,
        episodes: Indexed,
        on_log: Callable[[Progress], None] = lambda _: None,
        validate: Callable[[SRPNet], float] | None = None,
        on_step: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        """Train up to `settings.steps`.

        Args:
            episodes: Step s takes episodes s * batch .. (s + 1) * batch - 1, whatever was done before.
            on_log: Called every `log_every` steps, and on validation steps, in the first process.
            validate: Scores the network on base classes that are held back; its results are kept in `validations`. It
                must say the same in all processes.
            on_step: Called before the first step, and after each, with the number of steps done, and of all.

        Raises:
            InputError: if an episode cannot be loaded or learned from, or training diverges.
            Interrupted: after Ctrl-C, SIGTERM or SIGHUP to any process, when the step is done and saved.
        """
        settings = self.settings
        meter = Meter(self.world)
        on_step(self.step, settings.steps)
        self.network.train()
        with stop_requested() as stopping, batches_of(self._loader(episodes)) as batches:
            for batch in batches:
                self.world.agree(next((bad for bad in batch if isinstance(bad, InputError)), None))
                lr = self._learn([episode for episode in batch if not isinstance(episode, InputError)], meter)
                self.step += 1
                on_step(self.step, settings.steps)
                last = self.step == settings.steps
                score = None
                if validate is not None and (last or self.step % settings.validate_every == 0):
                    score = self.validations[self.step] = validate(self.network)
                    self.network.train()
                # The log first: its lines past the saved step are dropped on resuming, and then written again.
                if last or score is not None or self.step % settings.log_every == 0:
                    progress = meter.read(self.step, lr, score)
                    with self.world.together():
                        if self.world.first:
                            append_line(self.folder / "log.jsonl", progress)
                            on_log(progress)
                    meter = Meter(self.world)
                stop = self.world.any(stopping())
                if last or stop or score is not None or self.step % settings.save_every == 0:
                    self.save()
                if stop:
                    raise Interrupted(self.step)

    def save(self) -> None:
        """Write the network, then the training state, and begin the log with step 1; the first process does."""
        with self.world.together():
            if self.world.first:
                self._write()

    def _write(self) -> None:
        if self.step == 0:
            (self.folder / "log.jsonl").unlink(missing_ok=True)
        self.network.write(self.folder)
        state = {
            "step": self.step,
            "network": trainable_state(self.network),
            "optimizer": self.optimizer.state_dict(),
            "validations": self.validations,
            "identity": self.identity,
        }
        with atomic_write(self.folder / "training.pt") as temporary:
            torch.save(state, temporary)

    def _load(self) -> None:
        file = self.folder / "training.pt"
        check_regular(file)
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            begun = dict(state["identity"])
        except FileNotFoundError:
            raise InputError(
                f"there is no run to resume in {self.folder}: leave out --resume, or name its --out"
            ) from None
        except Exception as error:  # torch raises many kinds for a damaged file
            raise _damaged(file, error) from None
        if name := difference(self.identity, begun):
            raise InputError(
                f"{self.folder} was begun with {name} = {begun.get(name)}, not {self.identity[name]}: "
                "resume with the same settings, or train in another folder"
            )
        try:
            self._restore(state)
        except Exception as error:  # as many kinds for what fits no such network or optimizer
            raise _damaged(file, error) from None
        if self.world.first:
            keep_lines(self.folder / "log.jsonl", self.step)

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `_write` kept; raises nearly anything if it is something else."""
        weights, own = state["network"], trainable_state(self.network)
        if weights.keys() != own.keys() or not all(value.isfinite().all() for value in weights.values()):
            raise ValueError("it does not hold the weights that are trained, or NaN among them")
        self.network.load_state_dict(weights, strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self.validations = {int(step): float(score) for step, score in state["validations"].items()}

    def _loader(self, episodes: Indexed) -> DataLoader[EpisodeTensors | InputError]:
        """This process's share of the batches of the steps that are left."""
        settings = self.settings
        return DataLoader(
            EpisodeDataset(episodes, 0, settings.steps * settings.batch),
            batch_sampler=shares(range(self.step, settings.steps), settings.batch, self.world),
            collate_fn=handed_over,
            num_workers=settings.workers,
            worker_init_fn=leave_signals_to_the_parent,
            generator=torch.Generator(),  # else the loader draws a seed for its workers from the global state
            pin_memory=self.runtime.device.type == "cuda",
        )

    def _learn(self, batch: Sequence[EpisodeTensors], meter: Meter) -> float:
        """One optimizer step over this process's share of a batch; returns the head's learning rate."""
        factor = lr_factor(self.step, self.settings, self.schedule_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        part = len(batch) // self.settings.accumulate
        self.optimizer.zero_grad(set_to_none=True)
        for start in range(0, len(batch), part):
            episodes = [episode.to(self.runtime.device) for episode in batch[start : start + part]]
            with self._exchange(last=start + part == len(batch)):
                with self.world.together():
                    losses = self.losses(episodes, meter)
                    if not losses.isfinite().all():
                        raise self._diverged("loss")
                (losses.sum() / len(batch)).backward()
        # Gradients are now the mean over all processes, whose shares are equal: what follows is the same in each.
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip or math.inf)
        if not norm.isfinite():
            raise self._diverged("gradient")
        self.optimizer.step()
        return float(self.settings.lr * factor)

    def _exchange(self, last: bool) -> AbstractContextManager[None]:
        """Gradients travel between processes once a step, in its last backward pass."""
        if last or not isinstance(self.losses, DistributedDataParallel):
            return nullcontext()
        return self.losses.no_sync()

    def _diverged(self, what: str) -> InputError:
        return InputError(f"the {what} of step {self.step + 1} is no number: train again with a lower --lr")


class EpisodeLosses(nn.Module):
    """`episode_losses` as the forward pass of a module, to which DistributedDataParallel adds its exchange."""

    def __init__(self, network: SRPNet, settings: TrainingSettings, runtime: Runtime) -> None:
        super().__init__()
        self.network, self.settings, self.runtime = network, settings, runtime

    def forward(self, episodes: Sequence[EpisodeTensors], meter: Meter) -> Tensor:
        """(E,), on the way to a backward pass."""
        return episode_losses(self.network, episodes, self.settings, self.runtime, meter)


def episode_losses(
    network: SRPNet,
    episodes: Sequence[EpisodeTensors],
    settings: TrainingSettings,
    runtime: Runtime,
    meter: Meter,
) -> Tensor:
    """L_query + lambda * L_support of each episode (method, 5): (E,). One pass of the backbone serves them all."""
    images = [images for episode in episodes for images in (episode.support_images, episode.query_images)]
    size = episodes[0].query_labels.shape[-2:]
    features: Sequence[Tensor]
    with runtime.autocast():
        if episodes[0].encoded:  # on their own: put together, they would be copied
            features = [network.reduced_levels(levels, size) for levels in images]
        else:
            features = network.encode(torch.cat(images)).split([len(each) for each in images])
    iqi = replace(network.config.iqi, rounds=settings.train_rounds)
    losses = []
    for episode, supports, queries in zip(episodes, features[::2], features[1::2], strict=True):
        losses.append(_loss(network, episode, supports, queries, settings, iqi, meter))
        if settings.both_ways and (other := episode.reversed()) is not None:
            losses[-1] = (losses[-1] + _loss(network, other, queries, supports, settings, iqi)) / 2
    return torch.stack(losses)


def _loss(
    network: SRPNet,
    episode: EpisodeTensors,
    supports_SChw: Tensor,
    queries_QChw: Tensor,
    settings: TrainingSettings,
    iqi: QueryInference,
    meter: Meter | None = None,
) -> Tensor:
    """L_query + lambda * L_support of an episode whose photographs are encoded."""
    logits = network.answer(
        supports_SChw,
        episode.support_labels,
        episode.membership,
        queries_QChw,
        episode.query_valid,
        iqi,
        episode.support_ids,
    )
    query_logits = network.upsample(logits.queries, episode.query_labels.shape)
    support_logits = network.upsample(logits.supports, episode.support_labels.shape)
    query_loss = segmentation_loss(query_logits, episode.query_labels)
    support_loss = segmentation_loss(support_logits, episode.support_labels)
    loss = query_loss + settings.support_weight * support_loss
    if meter is not None:
        meter.add(episode, query_logits, support_logits, query_loss, support_loss, loss)
    return loss


def _damaged(file: Path, error: Exception) -> InputError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return InputError(f"{file} cannot be read ({reason}): start again without --resume")


def trainable_state(network: SRPNet) -> dict[str, Tensor]:
    """Name -> value of the parameters that training changes (BatchNorm is frozen)."""
    return {name: value.detach() for name, value in network.named_parameters() if value.requires_grad}


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level of dotted names, in plain types that survive saving.

    >>> flat({"lr": 0.1, "network": {"stages": (2, 3)}})
    {'lr': 0.1, 'network.stages': '2, 3'}
    """
    plain: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            plain |= flat(value, f"{prefix}{name}.")
        else:
            plain[prefix + name] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return plain


def difference(own: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first setting of a run that moves its weights and is not the same in another.

    What is off here and unknown there came with a later version, and was off there too.

    >>> difference({"size": 321, "composition.absent": 0.0}, {"size": 321})
    """
    known = (name for name, value in own.items() if name in other or value)
    return next((name for name in known if name not in FREE and other.get(name) != own[name]), None)


def best_step(validations: Mapping[int, float]) -> int:
    """The earliest step with the highest validation score; NaN is the lowest.

    >>> best_step({100: math.nan, 200: 0.7, 300: 0.7})
    200
    """
    return max(sorted(validations), key=lambda step: -math.inf if math.isnan(validations[step]) else validations[step])
