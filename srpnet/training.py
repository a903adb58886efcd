"""Episodic training: sample a batch of episodes, restore supports, segment queries, step; save so that it can go on."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from episodes.errors import InputError
from episodes.files import atomic_write
from srpnet.batches import EpisodeDataset, EpisodeTensors, Indexed
from srpnet.interrupts import Interrupted, leave_signals_to_the_parent, stop_requested
from srpnet.logs import Meter, Progress, append_line, keep_lines
from srpnet.losses import segmentation_loss
from srpnet.network import SRPNet
from srpnet.recipe import TrainingSettings, lr_factor, make_optimizer
from srpnet.runtime import Runtime

FREE = {"device", "training.workers", "training.log_every", "training.save_every"}
"""Settings that may differ when a run is resumed, since they do not move its weights."""


class TrainingRun:
    """A folder in which a network is trained, with all that is needed to go on.

    The folder holds `config.json` and `model.safetensors` (for `SRPNet.from_pretrained`), `training.pt` (weights,
    optimizer and step, for resuming) and `log.jsonl`. Each is written atomically, so that a kill at any moment leaves
    a folder that loads; the first are written before step 1.

    Args:
        network: Trained in place.
        settings: How.
        folder: Where.
        runtime: Device and precision.
        schedule_steps: Length of the learning-rate schedule; `settings.steps` if None. A run may stop before its end.
        resume: Go on from `training.pt`.
        identity: What else, beside the settings of network and training, must be the same to resume: the episodes'.

    Raises:
        InputError: if nothing is trainable, or `training.pt` cannot be read or is of another run.
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
    ) -> None:
        self.network = network.place(runtime.device)
        self.settings, self.folder, self.runtime = settings, folder, runtime
        self.schedule_steps = schedule_steps or settings.steps
        self.identity = flat({**(identity or {}), "network": asdict(network.config), "training": asdict(settings)})
        self.identity["schedule_steps"] = self.schedule_steps
        self.step = 0
        self.validations: dict[int, float] = {}
        self.optimizer = make_optimizer(network, settings)
        if resume:
            self._load()
        else:
            (folder / "log.jsonl").unlink(missing_ok=True)
            self.save()

    def train(
        self,
        episodes: Indexed,
        on_log: Callable[[Progress], None] = lambda _: None,
        validate: Callable[[SRPNet], float] | None = None,
    ) -> None:
        """Train up to `settings.steps`.

        Args:
            episodes: Step s takes episodes s * batch .. (s + 1) * batch - 1, whatever was done before.
            on_log: Called every `log_every` steps, and on validation steps.
            validate: Scores the network on base classes that are held back; its results are kept in `validations`.

        Raises:
            Interrupted: after Ctrl-C or SIGTERM, when the step is done and saved.
        """
        settings = self.settings
        meter = Meter()
        with stop_requested() as stopping:
            for batch in self._batches(episodes):
                lr = self._learn(batch, meter)
                self.step += 1
                last = self.step == settings.steps
                score = None
                if validate is not None and (last or self.step % settings.validate_every == 0):
                    score = self.validations[self.step] = validate(self.network)
                    self.network.train()
                # The log first: its lines past the saved step are dropped on resuming, and then written again.
                if last or score is not None or self.step % settings.log_every == 0:
                    progress = meter.read(self.step, lr, score)
                    append_line(self.folder / "log.jsonl", progress)
                    on_log(progress)
                    meter = Meter()
                stop = stopping()
                if last or stop or score is not None or self.step % settings.save_every == 0:
                    self.save()
                if stop:
                    raise Interrupted(self.step)

    def save(self) -> None:
        """Write the network, then the training state."""
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
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            begun = state["identity"]
        except FileNotFoundError:
            raise InputError(
                f"there is no run to resume in {self.folder}: leave out --resume, or name its --out"
            ) from None
        except Exception as error:  # torch raises many kinds for a damaged file
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"{file} cannot be read ({reason}): start again without --resume") from None
        for name, value in self.identity.items():
            if name not in FREE and (before := begun.get(name)) != value:
                raise InputError(
                    f"{self.folder} was begun with {name} = {before}, not {value}: "
                    "resume with the same settings, or train in another folder"
                )
        self.network.load_state_dict(state["network"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.validations = state["step"], state["validations"]
        keep_lines(self.folder / "log.jsonl", self.step)

    def _batches(self, episodes: Indexed) -> Iterator[list[EpisodeTensors]]:
        """The batches of the steps that are left.

        Raises:
            InputError: if an episode cannot be loaded.
        """
        settings = self.settings
        first = self.step * settings.batch
        dataset = EpisodeDataset(episodes, first, settings.steps * settings.batch - first)
        loader: DataLoader[EpisodeTensors | InputError] = DataLoader(
            dataset,
            batch_size=settings.batch,
            collate_fn=list,
            num_workers=settings.workers,
            worker_init_fn=leave_signals_to_the_parent,
            generator=torch.Generator(),  # else the loader draws a seed for its workers from the global state
            pin_memory=self.runtime.device.type == "cuda",
        )
        self.network.train()
        for batch in loader:
            for episode in batch:
                if isinstance(episode, InputError):
                    raise episode
            yield batch

    def _learn(self, batch: Sequence[EpisodeTensors], meter: Meter) -> float:
        """One optimizer step over a batch; returns the head's learning rate."""
        factor = lr_factor(self.step, self.settings, self.schedule_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        part = len(batch) // self.settings.accumulate
        self.optimizer.zero_grad(set_to_none=True)
        for start in range(0, len(batch), part):
            episodes = [episode.to(self.runtime.device) for episode in batch[start : start + part]]
            losses = episode_losses(self.network, episodes, self.settings, self.runtime, meter)
            if not losses.isfinite().all():
                raise self._diverged("loss")
            (losses.sum() / len(batch)).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip or math.inf)
        if not norm.isfinite():
            raise self._diverged("gradient")
        self.optimizer.step()
        return float(self.settings.lr * factor)

    def _diverged(self, what: str) -> InputError:
        return InputError(f"the {what} of step {self.step + 1} is no number: train again with a lower --lr")


def episode_losses(
    network: SRPNet,
    episodes: Sequence[EpisodeTensors],
    settings: TrainingSettings,
    runtime: Runtime,
    meter: Meter,
) -> Tensor:
    """L_query + lambda * L_support of each episode (method, 5): (E,). One pass of the backbone serves them all."""
    images = [images for episode in episodes for images in (episode.support_images, episode.query_images)]
    with runtime.autocast():
        features = network.encode(torch.cat(images)).split([len(each) for each in images])
    iqi = replace(network.config.iqi, rounds=settings.train_rounds)
    losses = []
    for episode, support_features, query_features in zip(episodes, features[::2], features[1::2], strict=True):
        logits = network.answer(
            support_features, episode.support_labels, episode.membership, query_features, episode.query_valid, iqi
        )
        query_logits = network.upsample(logits.queries, episode.query_labels.shape)
        support_logits = network.upsample(logits.supports, episode.support_labels.shape)
        query_loss = segmentation_loss(query_logits, episode.query_labels)
        support_loss = segmentation_loss(support_logits, episode.support_labels)
        losses.append(query_loss + settings.support_weight * support_loss)
        meter.add(episode, query_logits, support_logits, query_loss, support_loss, losses[-1])
    return torch.stack(losses)


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


def best_step(validations: Mapping[int, float]) -> int:
    """The earliest step with the highest validation score; NaN is the lowest.

    >>> best_step({100: math.nan, 200: 0.7, 300: 0.7})
    200
    """
    return max(sorted(validations), key=lambda step: -math.inf if math.isnan(validations[step]) else validations[step])
