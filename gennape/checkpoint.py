"""Checkpoints: a folder with `model.safetensors` and `config.json`. Plain data, nothing unpickled.

`config.json` holds what the weights mean: the model's configuration, the vocabulary they were
trained with, the scale of the target, the families seen, and the figures measured in training;
and, where they are known, the errors on networks held out and which networks are familiar.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gennape.conformal import Calibration
from gennape.familiarity import Reference
from gennape.features.composition import FEATURES
from gennape.features.nodes import OPERATOR_TYPES
from gennape.models.ensemble import AnyModel, model_from_dict
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.targets import TargetScale
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_folder
from onnx_bench.graph import GRAPH_FORMAT
from onnx_bench.operators import VOCABULARY_VERSION

CHECKPOINT_FORMAT = 1
Form = Literal["atomic", "fused"]
WEIGHTS, CONFIG = "model.safetensors", "config.json"
REFERENCE = "reference."
"""What the names of a reference's tensors begin with, beside those of the model."""
PRETRAINED = Path(__file__).parent / "pretrained"


class CheckpointError(GennapeError):
    """A checkpoint that is not there, not whole, or of another version."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and what it means."""

    model: AnyModel
    """One model, or an ensemble, whose members have scales of their own."""
    scale: TargetScale = field(default_factory=TargetScale)
    families: tuple[str, ...] = ()
    """The families it was trained on."""
    source: str = ""
    """Where the labels came from."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Validation figures, for people."""
    form: Form = "atomic"
    """Of the graphs that it was trained on: networks are brought to it before they are scored."""
    lower_is_better: bool = False
    """Whether the labels were negated to be learnt, as latencies are: the model says -y."""
    calibration: Calibration | None = None
    """How far predictions were off on networks that were not learnt from."""
    reference: Reference | None = None
    """Which networks are familiar."""
    trust: float = 1.0
    """How much of what the model says beyond its prior counts for strange networks, 0 to 1."""

    def save(self, folder: Path | str, also: Mapping[str, bytes] | None = None) -> None:
        """Writes the folder, replacing a checkpoint that is there; it appears only when whole.

        Args:
            also: further files of the folder by their names, such as a report.

        Raises:
            CheckpointError: the folder holds something else.
        """
        check_free(Path(folder))
        config = {
            "format": CHECKPOINT_FORMAT,
            "graph_format": GRAPH_FORMAT,
            "vocabulary": VOCABULARY_VERSION,
            "operator_types": list(OPERATOR_TYPES),
            "model": self.model.config.to_dict(),
            "target": asdict(self.scale),
            "families": list(self.families),
            "source": self.source,
            "metrics": self.metrics,
            "form": self.form,
            "trust": self.trust,
            "lower_is_better": self.lower_is_better,
        }
        weights = {k: v.detach().cpu().contiguous() for k, v in self.model.state_dict().items()}
        if self.calibration:
            config["calibration"] = self.calibration.to_dict()
        if self.reference:
            config["reference"] = self.reference.to_dict()
            weights |= {REFERENCE + name: part for name, part in self.reference.tensors().items()}
        with atomic_folder(Path(folder)) as temporary:
            save_file(weights, temporary / WEIGHTS)
            (temporary / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
            for name, content in (also or {}).items():
                (temporary / name).write_bytes(content)


def check_free(folder: Path) -> None:
    """Refuses to put a checkpoint where other files are.

    Raises:
        CheckpointError: `folder` is a file, or holds something that is no checkpoint.
    """
    if folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise CheckpointError(f"{folder}: holds something else than a checkpoint; choose another")


def pretrained_names() -> list[str]:
    """Checkpoints that ship with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CONFIG}"))


def locate(name: str | Path) -> Path:
    """The folder of a shipped checkpoint, or the folder that `name` is.

    Raises:
        CheckpointError: it is neither; the message lists the shipped ones.
    """
    if (Path(name) / CONFIG).is_file():
        return Path(name)
    if (PRETRAINED / str(name) / CONFIG).is_file():
        return PRETRAINED / str(name)
    if Path(name).exists():
        raise CheckpointError(f"{name}: no checkpoint (a checkpoint is a folder with {CONFIG})")
    shipped = ", ".join(pretrained_names()) or "none"
    raise CheckpointError(
        f"{name}: no such folder, and no shipped checkpoint (there are {shipped})"
    )


def load(name: str | Path) -> Checkpoint:
    """Loads a checkpoint by the name of a shipped one or by its folder.

    Raises:
        CheckpointError: it is missing, damaged, or of another format or vocabulary version.
    """
    folder = locate(name)
    config = _read_config(folder / CONFIG)
    try:
        model = model_from_dict(config["model"])
    except (GennapeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from None
    try:
        weights = load_file(folder / WEIGHTS)
        tensors = _reference_tensors(weights)
        _place_operators(weights, config["operator_types"])
        model.load_state_dict(weights)
        scale = TargetScale.from_dict(config["target"])
        return Checkpoint(
            model.eval(),
            scale,
            tuple(config["families"]),
            str(config["source"]),
            {str(k): float(v) for k, v in config["metrics"].items()},
            _form(config.get("form", "atomic")),
            _flag("lower_is_better", config.get("lower_is_better", False)),
            Calibration.from_dict(config["calibration"]) if "calibration" in config else None,
            _reference(config, tensors, model.encoder.embedder.out_features),
            _share("trust", config.get("trust", 1.0)),
        )
    except FileNotFoundError:
        raise CheckpointError(f"{folder / WEIGHTS}: missing; the checkpoint is not whole") from None
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{folder / WEIGHTS}: does not hold this model's weights; it is damaged, or of another "
            f"version of gennape: train or fine-tune it again ({reason.rstrip(':')})"
        ) from None
    except (GennapeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG}: not a whole configuration ({error!r})") from None


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, expected true or false")
    return value


def _share(name: str, value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {value!r}, expected a share from 0 to 1")
    return float(value)


def _form(name: str) -> Form:
    if name not in get_args(Form):
        raise ValueError(f"form is {name!r}, expected one of {get_args(Form)}")
    return cast(Form, name)


def _reference_tensors(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of the reference, which are taken out of the weights."""
    names = [name for name in weights if name.startswith(REFERENCE)]
    return {name.removeprefix(REFERENCE): weights.pop(name) for name in names}


def _reference(
    config: dict[str, Any], tensors: dict[str, torch.Tensor], embedded: int
) -> Reference | None:
    # Shares of the operators of an older vocabulary do not compare: nothing is familiar then.
    if "reference" not in config or config["operator_types"] != list(OPERATOR_TYPES):
        return None
    reference = Reference.from_parts(config["reference"], tensors)
    if len(reference.deviation_F) != embedded + FEATURES:
        raise ValueError(
            f"the reference has {len(reference.deviation_F)} features, expected {embedded} of the "
            f"encoder and {FEATURES} of the composition"
        )
    return reference


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(config, dict) or "format" not in config:
        raise CheckpointError(f"{path}: not a gennape checkpoint's configuration")
    if config["format"] != CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path}: format is {config['format']}, this version of gennape reads "
            f"{CHECKPOINT_FORMAT}; install the version that wrote it, or train it again"
        )
    _check_operators(path, config)
    return config


def _check_operators(path: Path, config: dict[str, Any]) -> None:
    """Refuses a vocabulary that is not ours or an older one of ours."""
    written = config.get("graph_format")
    if not isinstance(written, int) or written > GRAPH_FORMAT:
        raise CheckpointError(
            f"{path}: graph_format is {written}, this version of gennape reads {GRAPH_FORMAT} and "
            "those before it; install the version that wrote it, or train it again"
        )
    known, types, version = (
        VOCABULARY_VERSION,
        config.get("operator_types"),
        config.get("vocabulary"),
    )
    if not isinstance(version, int) or version > known:
        what = f"vocabulary is {version}"
    elif not isinstance(types, list) or sorted(types) != sorted({*OPERATOR_TYPES} & {*types}):
        what = "operator_types is another list"
    else:
        return
    raise CheckpointError(
        f"{path}: {what}, this version of gennape reads vocabulary {known} and those before it; "
        "install the version that wrote it, or train it again"
    )


def _place_operators(weights: dict[str, torch.Tensor], types: list[str]) -> None:
    """Puts embeddings of operators where this version's vocabulary has them.

    Vocabularies only grow: operators that a checkpoint has never seen are silent, as those are that
    its training has never seen.
    """
    if types == list(OPERATOR_TYPES):
        return
    rows = torch.tensor([OPERATOR_TYPES.index(name) for name in types])
    for name, table in weights.items():
        if name.endswith("embed.operator.weight"):
            if len(table) != len(types):
                raise ValueError(f"{name} has {len(table)} rows for {len(types)} operators")
            weights[name] = table.new_zeros(len(OPERATOR_TYPES), table.shape[1])
            weights[name][rows] = table


def seeded_model(config: ModelConfig, seed: int) -> PerformanceModel:
    """A fresh model whose initial weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PerformanceModel(config)
