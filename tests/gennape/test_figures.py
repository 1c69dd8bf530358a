"""The picture of the embedding: its geometry, its colours, and when training draws it."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.training.cli import main
from gennape.training.data import LabelData
from gennape.training.figures import Clusters, EmbeddingFigure, clusters_of, draw, save
from gennape.training.graphs import GraphData
from gennape.training.module import PredictorModule
from gennape.training.pretraining import PretrainingModule
from gennape.training.quiet import quiet
from onnx_bench.errors import GennapeError

SMALL = {"hidden": 8, "layers": 1}


@pytest.fixture
def embedding_NF() -> np.ndarray:
    """Three groups of 20 networks in six dimensions, one group after another."""
    rng = np.random.default_rng(0)
    return np.repeat(rng.normal(0, 5, (3, 6)), 20, axis=0) + rng.normal(0, 0.5, (60, 6))


group_N = np.repeat(["a", "b", "c"], 20)


def points(figure: Figure) -> np.ndarray:
    """Where the dots are, all markers together."""
    found = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    return np.concatenate([np.asarray(c.get_offsets()) for c in found])


def legend(figure: Figure) -> Legend:
    found = figure.axes[0].get_legend()
    assert found is not None
    return found


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


# the picture


def test_points_are_the_first_two_principal_components(embedding_NF: np.ndarray) -> None:
    centred = embedding_NF - embedding_NF.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    figure = draw(embedding_NF, group_N)
    np.testing.assert_allclose(np.abs(points(figure)), np.abs(left[:, :2] * size[:2]), atol=1e-9)
    share = (size[:2] ** 2).sum() / (size**2).sum()
    assert f"{share:.0%} of the variance" in texts(figure)[0]


def test_a_centre_lies_amid_its_networks_and_is_labelled_with_its_share(
    embedding_NF: np.ndarray,
) -> None:
    centre_CF = np.stack([embedding_NF[group_N == name].mean(axis=0) for name in "abc"])
    share_NC = np.array([[1.0, 0, 0]] * 15 + [[0, 1.0, 0]] * 45)
    figure = draw(embedding_NF, group_N, clusters=Clusters(centre_CF, share_NC))
    crosses = np.asarray(figure.axes[0].lines[0].get_xydata())
    expected = [points(figure)[group_N == name].mean(axis=0) for name in "abc"]
    np.testing.assert_allclose(crosses, expected, atol=1e-9)
    assert {"25%", "75%", "0%"} <= set(texts(figure))
    assert any("partition coefficient 1.00" in text for text in texts(figure))


def test_families_are_told_apart_and_counted(embedding_NF: np.ndarray) -> None:
    names = np.array([f"family-{i % 13:02d}" for i in range(60)])
    signs = legend(draw(embedding_NF, names))
    assert [t.get_text() for t in signs.get_texts()][:2] == ["family-00  5", "family-01  5"]
    looks = {(str(h.get_color()), h.get_marker()) for h in signs.get_lines()}  # type: ignore[attr-defined]
    assert len(looks) == 13


def test_dots_have_the_colour_that_the_legend_says(embedding_NF: np.ndarray) -> None:
    from matplotlib.colors import to_hex

    figure = draw(embedding_NF, group_N)
    dots = figure.axes[0].collections[0].get_facecolors()  # type: ignore[attr-defined]
    for number, line in enumerate(legend(figure).get_lines()):
        shades = {to_hex(colour) for colour in dots[group_N == "abc"[number]]}
        assert shades == {to_hex(str(line.get_color()))}


def test_numbers_have_a_scale_that_outliers_do_not_stretch(embedding_NF: np.ndarray) -> None:
    values = np.linspace(90, 94, 60)
    values[0] = 10.0
    figure = draw(embedding_NF, values, "accuracy")
    scale = figure.axes[1]
    assert scale.get_ylabel() == "accuracy"
    assert scale.get_ylim() == pytest.approx(tuple(np.percentile(values, (5, 95))))


@pytest.mark.parametrize("features", [1, 2])
def test_few_dimensions_are_drawn_too(features: int, embedding_NF: np.ndarray) -> None:
    figure = draw(embedding_NF[:, :features], group_N)
    assert points(figure).shape == (60, 2)
    assert "100% of the variance" in texts(figure)[0]


@pytest.mark.filterwarnings("error")
def test_embeddings_that_are_all_the_same_are_said_to_be() -> None:
    figure = draw(np.ones((5, 3)), np.ones(5), clusters=Clusters(np.ones((2, 3)), np.eye(2)))
    assert any("all embeddings are the same" in text for text in texts(figure))


@pytest.mark.parametrize(
    ("embedding", "colours"),
    [
        (np.zeros((5, 3)), np.zeros(4)),
        (np.zeros((1, 3)), np.zeros(1)),
        (np.zeros(5), np.zeros(5)),
        (np.full((5, 3), np.nan), np.zeros(5)),
    ],
)
def test_what_is_no_embedding_is_refused(embedding: np.ndarray, colours: np.ndarray) -> None:
    with pytest.raises(GennapeError, match="embedding"):
        draw(embedding, colours)


@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf"])
def test_the_same_embedding_is_the_same_file(
    ending: str, tmp_path: Path, embedding_NF: np.ndarray
) -> None:
    paths = [tmp_path / f"{i}{ending}" for i in range(2)]
    for path in paths:
        save(draw(embedding_NF, group_N, title="networks"), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_another_kind_of_file_is_refused(tmp_path: Path, embedding_NF: np.ndarray) -> None:
    with pytest.raises(GennapeError, match=r"\.svg, \.png, \.pdf"):
        save(draw(embedding_NF, group_N), tmp_path / "embedding.jpg")


# the clusters of a model


@pytest.mark.parametrize("projection", [None, 2])
@pytest.mark.parametrize("head", ["fuzzy-mlp", "fuzzy-pairwise"])
def test_centres_are_brought_back_to_the_embedding(
    head: str, projection: int | None, embedding_NF: np.ndarray
) -> None:
    given = {"clusters": 3, "projection": projection}
    model = PerformanceModel(ModelConfig("gnn", {"hidden": 6, "layers": 1}, head, given))
    figures = model.head.prepare(torch.from_numpy(embedding_NF))
    found = clusters_of(model, embedding_NF)
    assert found is not None
    assert found.partition == pytest.approx(figures["partition"], abs=1e-4)
    centres = torch.from_numpy(found.centre_CF).float()
    shares = model.head.membership(centres)  # type: ignore[operator]
    np.testing.assert_allclose(shares, np.eye(3), atol=1e-5)
    means = [embedding_NF[group_N == name].mean(axis=0) for name in "abc"]
    gaps = np.linalg.norm(found.centre_CF[:, None] - means, axis=-1)
    assert gaps.min(axis=1).max() < 0.5


def test_a_head_without_clusters_has_none(embedding_NF: np.ndarray) -> None:
    assert clusters_of(PerformanceModel(ModelConfig("gnn", {"hidden": 6})), embedding_NF) is None


# in a run


def run(module: L.LightningModule, data: L.LightningDataModule, folder: Path, *figure: Any) -> None:
    """Three epochs."""
    quiet()
    trainer = L.Trainer(
        max_epochs=3,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=list(figure),
    )
    trainer.fit(module, datamodule=data)


def labelled(table: Path, **given: Any) -> LabelData:
    return LabelData(table=table, label="accuracy", fractions=(0.2, 0.2), **given)


def predictor(**given: Any) -> PredictorModule:
    L.seed_everything(0, verbose=False)
    adam = partial(torch.optim.Adam, lr=5e-3)
    return PredictorModule("gnn", SMALL, optimizer=adam, **given)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What the callback draws in this test."""
    figures: list[Figure] = []

    def remember(*given: Any) -> Figure:
        figures.append(draw(*given))
        return figures[-1]

    monkeypatch.setattr("gennape.training.figures.draw", remember)
    return figures


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


@pytest.mark.parametrize(
    ("every", "keep", "left"),
    [
        (0, True, []),
        (1, False, ["embedding.png"]),
        (2, True, ["embedding.png", "embedding/epoch-002.png", "embedding/epoch-003.png"]),
        (3, True, ["embedding.png", "embedding/epoch-003.png"]),
        (50, True, ["embedding.png", "embedding/epoch-003.png"]),
    ],
)
def test_a_run_leaves_its_pictures(
    every: int, keep: bool, left: list[str], table: Path, tmp_path: Path
) -> None:
    run(predictor(), labelled(table), tmp_path / "run", EmbeddingFigure(every=every, keep=keep))
    assert files(tmp_path / "run") == left


def test_training_is_the_same_with_pictures(table: Path, tmp_path: Path) -> None:
    plain = predictor()
    run(plain, labelled(table), tmp_path)
    shown = predictor()
    run(shown, labelled(table), tmp_path, EmbeddingFigure(every=1, name="new.svg"))
    first, second = plain.state_dict(), shown.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (tmp_path / "new.svg").exists()


def test_labelled_networks_of_families_have_their_colours_and_clusters(
    table: Path, tmp_path: Path, drawn: list[Figure]
) -> None:
    module = predictor(head="fuzzy-mlp", head_args={"clusters": 3})
    run(module, labelled(table), tmp_path, EmbeddingFigure(most=20))
    signs = [text.get_text() for text in legend(drawn[-1]).get_texts()]
    assert [sign.split()[0] for sign in signs] == ["digits-cells", "digits-chains"]
    assert sum(int(sign.split()[1]) for sign in signs) == len(points(drawn[-1])) == 20
    assert len(drawn[-1].axes[0].lines[0].get_xydata()) == 3
    assert drawn[-1].axes[0].get_title(loc="left").strip() == "20 training networks, epoch 3"


def test_one_family_has_the_colours_of_its_labels(
    table: Path, tmp_path: Path, drawn: list[Figure]
) -> None:
    frame = pd.read_csv(table)
    frame[frame["network"].str.startswith("digits-cells")].to_csv(table, index=False)
    run(predictor(), labelled(table), tmp_path, EmbeddingFigure())
    assert drawn[-1].axes[1].get_ylabel() == "accuracy"
    assert not drawn[-1].axes[0].lines


@pytest.mark.parametrize("kinds", [1, 2])
def test_pretraining_colours_families_or_sizes(
    kinds: int, tmp_path: Path, drawn: list[Figure]
) -> None:
    data = GraphData(("digits-chains:8", "digits-cells:8")[:kinds], batch_size=4)
    run(PretrainingModule("gnn", SMALL), data, tmp_path, EmbeddingFigure(name="embedding.svg"))
    if kinds == 2:
        assert len(legend(drawn[-1]).get_texts()) == 2
    else:
        assert drawn[-1].axes[1].get_ylabel() == "nodes"
    assert (tmp_path / "embedding.svg").exists()


def test_a_run_that_diverged_is_warned_of_not_stopped(table: Path, tmp_path: Path) -> None:
    module, figure = predictor(), EmbeddingFigure()
    run(module, labelled(table), tmp_path, figure)
    torch.nn.init.constant_(module.model.encoder.norm.weight, float("nan"))  # type: ignore[arg-type, union-attr]
    with pytest.warns(UserWarning, match=r"embedding\.png is not drawn.*lower learning rate"):
        figure._draw(module.trainer, module, epoch=4)


def test_the_command_draws_into_the_folder_of_the_run(table: Path, tmp_path: Path) -> None:
    given = ["fit", "--data.table", str(table), "--data.label", "accuracy", "--figure.every", "2"]
    given += ["--model.encoder_args", "{hidden: 8, layers: 1}", "--run_dir", str(tmp_path / "run")]
    given += ["--trainer.max_epochs", "3", "--trainer.enable_progress_bar", "false"]
    main([*given, "--trainer.accelerator", "cpu", "--figure.keep", "true"])
    found = {path.name for path in (tmp_path / "run").rglob("*.png")}
    assert found == {"embedding.png", "epoch-002.png", "epoch-003.png"}


@pytest.mark.parametrize(
    "given", [{"every": -1}, {"most": 1}, {"name": "embedding.jpg"}, {"name": "embedding"}]
)
def test_settings_that_there_are_not_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(GennapeError, match="expected"):
        EmbeddingFigure(**given)
