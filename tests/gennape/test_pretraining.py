"""Contrastive pretraining: the run from data to an encoder that heads are trained on."""

from pathlib import Path

import pytest
import torch

from gennape.inference import Predictor
from gennape.models.contrastive import contrastive_loss, group_weights, spectral_weights
from gennape.training.cli import main
from gennape.training.graphs import GraphData
from gennape.training.pretraining import PretrainingModule
from onnx_bench.errors import GennapeError, LabelError

SMALL = ["--model.encoder_args", "{hidden: 16, layers: 2}"]
DATA = ["--data.sources", "[digits/digits-chains, digits-cells:12]", "--data.limit", "40"]
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a finished pretraining."""
    folder = tmp_path_factory.mktemp("pretrain")
    more = ["--trainer.max_epochs", "3", "--data.batch_size", "16", "--run_dir", str(folder)]
    main(["pretrain", *SMALL, *DATA, *QUIET, *more])
    return folder


def data(**arguments: object) -> GraphData:
    given = {"sources": ("digits/digits-chains",), "limit": 12, "batch_size": 4} | arguments
    return GraphData(**given)  # type: ignore[arg-type]


def test_a_run_leaves_an_encoder_that_embeds_and_scores_nothing(run_dir: Path) -> None:
    found = Predictor.from_pretrained(run_dir / "encoder")
    assert found.families == ("digits-chains", "digits-cells")
    assert found.checkpoint.form == "fused"
    assert "52 unlabelled networks" in found.checkpoint.source
    network = "digits-chains:plain-w4-d1-k1-w4-d1-k1-w4-d1-k1"
    assert found.embed(network).shape == (1, 16)
    with pytest.raises(GennapeError, match="scores none"):
        found.predict(network)


def test_heads_are_trained_on_the_pretrained_encoder(run_dir: Path, tmp_path: Path) -> None:
    head = ["--model.head", "fuzzy-mlp", "--model.head_args", "{clusters: 3}"]
    encoder = ["--model.encoder", "gnn", "--model.pretrained", str(run_dir / "encoder")]
    labelled = ["--data.subset", "digits-chains", "--data.limit", "60", "--data.fused", "true"]
    more = ["--model.freeze", "true", "--trainer.max_epochs", "2", "--run_dir", str(tmp_path)]
    main(["fit", *encoder, *SMALL, *head, *labelled, *QUIET, *more])
    before = Predictor.from_pretrained(run_dir / "encoder").checkpoint.model.encoder.state_dict()
    found = Predictor.from_pretrained(tmp_path / "predictor").checkpoint
    after = found.model.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert 1 / 3 < found.metrics["partition"] <= 1


def test_another_encoder_than_the_pretrained_one_is_refused(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--model.encoder", "gnn", "--model.pretrained", str(run_dir / "encoder")])
    assert caught.value.code == 2
    assert "its encoder is ('gnn', {'hidden': 16" in capsys.readouterr().err


@pytest.mark.parametrize("positives", ["spectral", "family", "self"])
def test_the_loss_of_a_step_is_the_formula_on_both_views(positives: str) -> None:
    graphs = data()
    graphs.setup("fit")
    module = PretrainingModule(
        "gnn", {"hidden": 8, "layers": 1, "dropout": 0.0}, positives=positives
    )  # type: ignore[arg-type]
    batch = graphs._collate(list(range(6)))
    with torch.no_grad():
        z = module.projection(module.model.encoder(batch.graphs))
        if positives == "spectral":
            alpha = spectral_weights(torch.cat([batch.spectra_BQ] * 2), 0.05)
        else:
            group = torch.zeros(6) if positives == "family" else torch.arange(6)
            alpha = group_weights(torch.cat([group, group]))
        expected = contrastive_loss(torch.cat([z, z]), alpha, 0.1)
        assert module.loss(batch).item() == pytest.approx(expected.item(), abs=1e-6)


def test_dropout_makes_views_differ() -> None:
    graphs = data()
    graphs.setup("fit")
    torch.manual_seed(0)
    encoder = PretrainingModule("gnn", {"hidden": 8, "layers": 1, "dropout": 0.5}).model.encoder
    batch = graphs._collate([0, 1]).graphs
    assert not torch.allclose(encoder(batch), encoder(batch))
    encoder.eval()
    assert torch.equal(encoder(batch), encoder(batch))


def test_validation_rows_are_not_trained_on() -> None:
    graphs = data(limit=30)
    graphs.setup("fit")
    assert not set(graphs.train_rows) & set(graphs.val_rows)
    assert len(graphs.train_rows) + len(graphs.val_rows) == 30


@pytest.mark.parametrize("source", ["darts", "nosuch:5", "digits-cells:many"])
def test_a_source_that_is_none_is_refused(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENNAPE_DATA", raising=False)
    with pytest.raises(LabelError):
        data(sources=(source,)).setup("fit")


def test_positives_that_there_are_not_are_refused() -> None:
    with pytest.raises(GennapeError, match="positives is 'near'"):
        PretrainingModule(positives="near")  # type: ignore[arg-type]
