"""`gennape-train`: fit, validate, test and predict, configured by YAML files and flags."""

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import DefaultHelpFormatter
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from gennape.training.callbacks import WritePredictions, checkpoints
from gennape.training.data import LabelData
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

  gennape-train pretrain --config configs/pretrain.yaml
  gennape-train fit --config configs/gennape/cl_fcm.yaml --model.pretrained runs/pretrain/encoder

A run leaves in its folder (--run_dir): `predictor`, the best model by validation Spearman, for
`gennape predict -m`; `checkpoints/last.ckpt` to go on from; `csv` and `tensorboard` logs.
"""


class _Formatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the lines of the examples."""


class TrainCLI(LightningCLI):
    """LightningCLI with one folder for everything that a run leaves behind."""

    result = "predictor"
    what = "the best model is in {folder}: gennape predict -m {folder} NETWORK ..."

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run_dir", default="runs/latest", help="folder of this run")
        parser.set_defaults(
            {
                "trainer.max_epochs": 40,
                "trainer.accelerator": "auto",
                "trainer.gradient_clip_val": 5.0,
                "trainer.num_sanity_val_steps": 0,
                "trainer.enable_model_summary": False,
            }
        )

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
        return [*checkpoints(run_dir), WritePredictions(run_dir / "predictions.csv")]

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


def main(args: list[str] | None = None) -> None:
    """Entry point; what is the user's to mend ends in one line and exit code 2."""
    quiet()
    given = sys.argv[1:] if args is None else args
    pretrain = given[:1] == ["pretrain"]
    if pretrain:
        given = ["fit", *given[1:]]
    if args is None:  # Lightning warns of arguments that it does not find there
        sys.argv[1:] = given
    cli, module, data = (
        (PretrainCLI, PretrainingModule, GraphData)
        if pretrain
        else (TrainCLI, PredictorModule, LabelData)
    )
    with errors_in_one_line():
        cli(
            module,
            data,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},
            auto_configure_optimizers=False,
            parser_kwargs={"description": DESCRIPTION, "formatter_class": _Formatter},
            args=None if args is None else given,
        )
