"""A training that is one of several: a folder of its own, gone on with where it was stopped."""

from argparse import ArgumentError
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jsonargparse import get_loader
from lightning.pytorch.callbacks import Callback

from gennape.training.cli import FIT, PRETRAIN, TrainCLI
from gennape.training.data import LabelData
from onnx_bench.errors import GennapeError

PLACES = {"pretrained", "data_root"}
"""Settings that say where something lies; the same thing may have been moved."""

Report = Callable[[int], bool]


class RunError(GennapeError):
    """A run that cannot begin, or that ended with an error; the message names it."""


@dataclass(frozen=True)
class Run:
    """What `gennape-train fit` or `pretrain` does with some arguments, in one folder.

    Args:
        name: for messages.
        folder: receives `checkpoints` and the result.
        pretrain: whether it is the pretraining of an encoder.
        arguments: of the command line.
        needs: name of the run whose encoder it starts from.
    """

    name: str
    folder: Path
    pretrain: bool
    arguments: tuple[str, ...]
    needs: str | None = None

    @property
    def result(self) -> Path:
        """The folder of the checkpoint for inference."""
        return self.folder / (PRETRAIN if self.pretrain else FIT).cli.result

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All settings by their names, defaults included, as plain data.

        Raises:
            RunError: there are some that cannot be.
        """
        read: dict[str, Any] = self._read().config_dump
        return read

    @property
    def epochs(self) -> int:
        """How many there will be."""
        return int(self.settings["trainer"]["max_epochs"])

    @property
    def epochs_done(self) -> int:
        """How many there are in `checkpoints/last.ckpt`."""
        if not self._last.exists():
            return 0
        return int(torch.load(self._last, map_location="cpu", weights_only=True)["epoch"]) + 1

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.epochs_done >= self.epochs

    @property
    def _last(self) -> Path:
        return self.folder / "checkpoints" / "last.ckpt"

    def data(self) -> LabelData:
        """The labelled networks of a run that is no pretraining."""
        return LabelData(**self._read().config["data"].as_dict())

    def check(self) -> None:
        """Refuses a folder in which something else was trained.

        Raises:
            RunError: Lightning's record of the settings there has other values.
        """
        records = self.folder.glob("csv/version_*/config.yaml")
        newest = max(records, key=lambda path: path.stat().st_mtime, default=None)
        if newest is None or self.epochs_done == 0:
            return
        there, here = (
            _decisive(s) for s in (get_loader("yaml")(newest.read_text()), self.settings)
        )
        # A setting that there is on one side only is one that has come or gone since.
        other = [key for key in here if key in there and there[key] != here[key]]
        if other:
            raise RunError(
                f"{self.folder} was trained with another {', '.join(other)} (see {newest}); choose "
                "another --run_dir, or remove that folder"
            )

    def train(self, report: Report) -> None:
        """Trains until the end, or until `report` says so.

        Args:
            report: called with the number of finished epochs, first of all and after each epoch;
                whether to stop there.
        """
        report(self.epochs_done)
        command = PRETRAIN if self.pretrain else FIT
        cli = command.start(
            [*self.arguments], run=False, trainer_defaults={"callbacks": [_Reports(report)]}
        )
        cli.datamodule.setup("fit")
        last = self._last if self._last.exists() else None
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=last)

    def _read(self) -> TrainCLI:
        command = (PRETRAIN if self.pretrain else FIT)._replace(cli=_Reader)
        try:
            return command.start(
                [*self.arguments], run=False, parser_kwargs={"exit_on_error": False}
            )
        except (ArgumentError, TypeError) as error:
            raise RunError(f"{self.name}: {error}") from None


def _decisive(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that the result depends on, `model.encoder` and so on."""
    found = {
        f"{section}.{key}": value
        for section in ("model", "data")
        for key, value in settings[section].items()
        if key not in PLACES
    }
    seed, epochs = settings["seed_everything"], settings["trainer"]["max_epochs"]
    return found | {"seed_everything": seed, "trainer.max_epochs": epochs}


class _Reader(TrainCLI):
    """Reads a configuration and makes nothing of it."""

    def _set_seed(self) -> None: ...

    def instantiate_classes(self) -> None:
        self._dump_config()


class _Reports(Callback):
    def __init__(self, report: Report) -> None:
        self.report = report

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        del pl_module
        if self.report(trainer.current_epoch + 1):
            trainer.should_stop = True
