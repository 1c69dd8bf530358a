"""An ensemble from its recipe: the encoders are trained, the members on them, then joined."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gennape.checkpoint import Checkpoint, check_free, load
from gennape.metrics import evaluate
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.performance import PerformanceModel
from gennape.scoring import scores
from gennape.training.callbacks import calibrated
from gennape.training.data import LabelData
from gennape.training.quiet import quiet
from gennape.training.recipe import RESULT, Recipe, RecipeError
from gennape.training.runs import PLACES, Run
from gennape.training.workers import train_all


def train_ensemble(
    config: Path,
    run_dir: Path,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    processes: int = 1,
    report: Callable[[str], None] | None = None,
) -> Path:
    """Follows a recipe; what is finished is not done again, what was stopped goes on.

    Args:
        config: the recipe, a YAML file (see `Recipe`).
        run_dir: receives a folder for each training, and `ensemble`.
        seed: of splits, initial weights and everything else.
        settings: on top of the configurations, see `Recipe.runs`.
        processes: trainings at a time, each in a process of its own; a script calls this under
            `if __name__ == "__main__":`, for these processes import it.
        report: called with a line on each epoch.

    Returns:
        The folder of the ensemble, for `Predictor.from_pretrained`.

    Raises:
        GennapeError: the recipe, a configuration or a folder is not what is expected, or a training
            failed; the message says which.
    """
    quiet()
    folder = run_dir / RESULT
    check_free(folder)
    runs = Recipe.read(config).runs(run_dir, seed, settings)
    members = [run for run in runs if not run.pretrain]
    _check_rows(members)
    train_all(runs, processes, report)
    data = members[0].data()
    data.setup("validate")
    assemble({run.name: load(run.result) for run in members}, data).save(folder)
    return folder


def assemble(members: Mapping[str, Checkpoint], data: LabelData) -> Checkpoint:
    """The ensemble of some models, all of the same weight, with its figures on validation rows.

    The same rows calibrate its intervals.

    Args:
        members: by their names.
        data: what they were trained on, set up.

    Raises:
        RecipeError: they were trained on different networks, labels or forms of graphs.
    """
    _check_source(members, data)
    models = [_single(name, checkpoint) for name, checkpoint in members.items()]
    parts = zip(members, models, members.values(), strict=True)
    config = EnsembleConfig(tuple(Member(name, m.config, c.scale) for name, m, c in parts))
    ensemble = Ensemble.of(config, models)
    rows = data.split.val
    figures = evaluate(scores(ensemble, data.graphs, rows), data.values.numpy()[rows])
    metrics = {f"val_{name}": value for name, value in figures.items()}
    for name, checkpoint in members.items():
        for figure in {"val_spearman", "partition"} & checkpoint.metrics.keys():
            metrics[f"{name}_{figure}"] = checkpoint.metrics[figure]
    whole = Checkpoint(
        ensemble, families=data.families, source=data.source, metrics=metrics, form=data.form
    )
    return calibrated(whole, data)


def _check_rows(members: Sequence[Run]) -> None:
    """Before hours of training: members that hold out different rows cannot be judged together."""
    first, *others = members
    expected = _rows(first)
    for run in others:
        found = _rows(run)
        other = [key for key in expected if found[key] != expected[key]]
        if other:
            differences = ", ".join(f"data.{key} {expected[key]} and {found[key]}" for key in other)
            raise RecipeError(
                f"members {first.name} and {run.name} differ in {differences}; expected the same "
                "networks and labels in all"
            )


def _rows(run: Run) -> dict[str, Any]:
    ignored = {"batch_size", *PLACES}
    return {key: value for key, value in run.settings["data"].items() if key not in ignored}


def _check_source(members: Mapping[str, Checkpoint], data: LabelData) -> None:
    expected = (data.families, data.source, data.form)
    for name, checkpoint in members.items():
        found = (checkpoint.families, checkpoint.source, checkpoint.form)
        if found != expected:
            raise RecipeError(
                f"member {name} was trained on {found}, expected {expected} as in all; "
                "train it again"
            )


def _single(name: str, checkpoint: Checkpoint) -> PerformanceModel:
    if isinstance(checkpoint.model, PerformanceModel):
        return checkpoint.model
    raise RecipeError(f"member {name} is an ensemble itself, expected one model")
