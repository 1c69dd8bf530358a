"""`gennape-train`: fit, validate, test and predict, configured by YAML files and flags."""

import sys
import warnings
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
from jsonargparse import DefaultHelpFormatter
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from gennape.training.callbacks import Calibrate, WritePredictions, checkpoints
from gennape.training.composition import ComposedConfig, add_parts, refuse_parts
from gennape.training.data import LabelData
from gennape.training.figures import EmbeddingFigure
from gennape.training.graphs import GraphData
from gennape.training.module import PredictorModule
from gennape.training.pretraining import PretrainingModule
from gennape.training.quiet import quiet
from onnx_bench.errors import GennapeError
from onnx_bench.terminal import errors_in_one_line

DESCRIPTION = """Train a performance predictor.

  gennape-train fit --config configs/digits.yaml
  gennape-train fit --config configs/digits.yaml --run_dir runs/mine --model.encoder gated-gcn
  gennape-train fit --config configs/digits.yaml --ckpt_path last    (goes on after a stop)
  gennape-train test --config configs/digits.yaml --ckpt_path last

Or pretrain an encoder on networks without labels, and train heads on it:

  gennape-train pretrain --config configs/gennape/pretrain_cl.yaml
  gennape-train fit --config configs/gennape/cl_fcm.yaml

Or everything at once, the encoders, the models on them, and their ensemble:

  gennape-train ensemble --config configs/gennape/ensemble.yaml --run_dir runs/gennape

A configuration may be made of parts, which are read before it (--parts in `fit --help`).
A run leaves in its folder (--run_dir): `predictor`, the best model by validation Spearman, for
`gennape predict -m`; `checkpoints/last.ckpt` to go on from; `embedding.png`, the training networks
as the encoder sees them; `csv` and `tensorboard` logs.
"""


class _Formatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the lines of the examples."""


class TrainCLI(LightningCLI):
    """LightningCLI with one folder for everything that a run leaves behind."""

    result = "predictor"
    what = "the best model is in {folder}: gennape predict -m {folder} NETWORK ..."

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        parser = LightningArgumentParser(**kwargs)
        parser.add_argument(
            "-c", "--config", action=ComposedConfig, help="YAML file; of several the later one wins"
        )
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        add_parts(parser)
        parser.add_argument("--run_dir", default="runs/latest", help="folder of this run")
        parser.add_lightning_class_args(EmbeddingFigure, "figure")
        parser.set_defaults(
            {
                "trainer.max_epochs": 40,
                "trainer.accelerator": "auto",
                "trainer.gradient_clip_val": 5.0,
                "trainer.num_sanity_val_steps": 0,
                "trainer.enable_model_summary": False,
            }
        )

    def before_instantiate_classes(self) -> None:
        refuse_parts(self.config.get(str(self.subcommand), self.config))

    def _instantiate_trainer(self, config: Any, callbacks: list[Any]) -> L.Trainer:
        run_dir = Path(self._get(self.config, "run_dir"))
        config["default_root_dir"] = run_dir
        if config.get("logger") is None:
            config["logger"] = [
                CSVLogger(run_dir, name="csv"),
                TensorBoardLogger(run_dir, name="tensorboard"),
            ]
        ours = self._callbacks(run_dir)
        if config.get("enable_progress_bar") is not False:
            ours.append(TQDMProgressBar(leave=False))
        return super()._instantiate_trainer(config, callbacks + ours)

    def _callbacks(self, run_dir: Path) -> list[Any]:
        kept = checkpoints(run_dir, self.result)
        return [
            *kept,
            Calibrate(run_dir / self.result),
            WritePredictions(run_dir / "predictions.csv"),
        ]

    def _run_subcommand(self, subcommand: str) -> None:
        # Before the loggers make their folders: data that are refused leave no trace.
        self.datamodule.setup(subcommand)
        self._check_checkpoint(subcommand)
        super()._run_subcommand(subcommand)

    def after_fit(self) -> None:
        """Says where the result is."""
        folder = Path(self._get(self.config, "run_dir")) / self.result
        if folder.exists() and self.trainer.is_global_zero:
            print(self.what.format(folder=folder))

    def _check_checkpoint(self, subcommand: str) -> None:
        path = self._get(self.config, "ckpt_path")
        if path == "last":
            path = Path(self._get(self.config, "run_dir")) / "checkpoints" / "last.ckpt"
            if subcommand == "fit" and not path.exists():
                return  # nothing to go on from: the run begins
        if path is None and subcommand != "fit":
            raise GennapeError(
                f"{subcommand} needs --ckpt_path: `last`, or the path of a .ckpt file"
            )
        if path is not None and not Path(path).is_file():
            raise GennapeError(f"{path}: no such checkpoint; train first, or give another path")


class PretrainCLI(TrainCLI):
    """The same for the contrastive pretraining of an encoder."""

    result = "encoder"
    what = "the best encoder is in {folder}: gennape-train fit --model.pretrained {folder} ..."

    def _callbacks(self, run_dir: Path) -> list[Any]:
        return checkpoints(run_dir, self.result, "val_loss", "min")


class Command(NamedTuple):
    """What one kind of training is made of."""

    cli: type[TrainCLI]
    module: type[L.LightningModule]
    data: type[L.LightningDataModule]

    def start(self, arguments: list[str] | None = None, **more: Any) -> TrainCLI:
        """Reads the arguments, those of the process by default, and does what they say.

        Args:
            more: of LightningCLI; `run=False` makes module, data and trainer and stops there.
        """
        if arguments is not None:
            warnings.filterwarnings("ignore", message=".*args parameter is intended.*")
        return self.cli(
            self.module,
            self.data,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},
            auto_configure_optimizers=False,
            args=arguments,
            **more,
        )


FIT = Command(TrainCLI, PredictorModule, LabelData)
PRETRAIN = Command(PretrainCLI, PretrainingModule, GraphData)


def main(args: list[str] | None = None) -> None:
    """Entry point; what is the user's to mend ends in one line and exit code 2."""
    quiet()
    given = sys.argv[1:] if args is None else args
    if given[:1] == ["ensemble"]:
        from gennape.training.ensemble_command import main as ensemble

        return ensemble(given[1:])
    pretrain = given[:1] == ["pretrain"]
    if pretrain:
        given = ["fit", *given[1:]]
    with errors_in_one_line():
        # Given to it, not put into sys.argv: DDP starts its other processes with that.
        (PRETRAIN if pretrain else FIT).start(
            given,
            parser_kwargs={"description": DESCRIPTION, "formatter_class": _Formatter},
        )
    return None
