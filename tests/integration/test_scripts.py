"""The scripts behind the demonstration and the labels, on little work."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gennape.inference import Predictor
from onnx_bench.families import build_spec

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="script")


def run(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    script(name)["main"]()


def test_demo_goes_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--epochs", "2", "--labels", "6", "--out", str(tmp_path)]
    run("demo", arguments, monkeypatch)
    printed = capsys.readouterr().out
    assert "Spearman" in printed
    assert "after 6 labels" in printed
    assert (tmp_path / "scatter.png").read_bytes().startswith(b"\x89PNG")
    onnx = sorted(tmp_path.glob("*.onnx"))
    assert len(onnx) == 3
    assert len(Predictor.from_pretrained(tmp_path / "predictor").predict(onnx)) == 3


def test_digits_labels_are_sampled_without_isomorphic_doubles() -> None:
    sample = script("label_digits")["sample"]
    specs = sample("digits-cells", 40)
    assert specs == sample("digits-cells", 40)
    assert len({build_spec(f"digits-cells:{spec}").hash for spec in specs}) == 40


def test_labelling_goes_on_behind_a_line_that_was_cut_off(tmp_path: Path) -> None:
    read_log = script("label_digits")["read_log"]
    log = tmp_path / "runs.jsonl"
    log.write_text('{"kind": "digits-cells", "spec": "a", "accuracy_0": 1.0}\n{"kind": "digits-')
    assert list(read_log(log)) == [("digits-cells", "a")]


def test_label_frame_has_a_column_for_each_run() -> None:
    names = script("label_digits")
    record: dict[str, Any] = {"kind": "digits-cells", "spec": "a"}
    for seed in range(3):
        record |= {f"accuracy_{seed}": 50.12345 + seed, f"curve_{seed}": (10.0, 50.0)}
    frame: pd.DataFrame = names["to_frame"]([record])
    assert frame["accuracy_2"].iloc[0] == pytest.approx(52.123, abs=1e-3)
    assert list(frame["curve_1"].iloc[0]) == [10.0, 50.0]


def test_encoders_are_timed_and_their_shares_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENNAPE_DATA", raising=False)
    path = tmp_path / "speed.csv"
    run("encoder_speed", ["-n", "6", "--batch", "3", "--passes", "2", "-o", str(path)], monkeypatch)
    frame = pd.read_csv(path)
    assert list(frame["encoder"].unique()) == ["gnn", "gnn-transformer", "k-gnn"]
    assert (frame["networks"] == "sampled").all()
    shares = frame.filter(like="_percent")
    assert shares.sum(axis=1).to_list() == pytest.approx([100] * 6, abs=0.5)
    attending = frame["encoder"] == "gnn-transformer"
    assert ((shares["attention_percent"] > 0) == attending).all()
    assert ((shares["backward_percent"] > 0) == (frame["way"] == "training")).all()


def test_what_runs_inside_of_another_part_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = script("encoder_speed")
    ticks = iter([0.0, 1.0, 4.0, 9.0])
    monkeypatch.setattr(names["time"], "perf_counter", lambda: next(ticks))
    clock = names["Clock"]()
    with clock.measuring("rest"), clock.measuring("messages"):
        pass
    assert dict(clock.seconds) == {"rest": 1.0 + 5.0, "messages": 3.0}


def test_a_family_does_not_choose_its_own_recipe() -> None:
    found = script("choose_recipe")
    shipped, other = found["SHIPPED"], "no prior"
    rows = [
        {"variant": variant, "seed": 0, "target": target.key, "spearman": value}
        for target in found["CHOOSING"]
        # DARTS alone would have it the other way round, by so much that it would decide.
        for variant, value in ((shipped, 0.5), (other, 99.0 if target.key == "darts" else 0.4))
    ]
    chosen = found["chosen"](pd.DataFrame(rows)).set_index("target")
    assert chosen.loc["darts", "chosen"] == shipped
    assert chosen.loc["darts", "spearman"] == 0.5
    assert chosen.loc["darts", "best of all"] == 99
    assert chosen.loc["metaqnn", "chosen"] == other


def test_twins_do_not_choose_for_one_another() -> None:
    found = script("choose_recipe")
    by_key = {target.key: target for target in found["CHOOSING"]}
    assert found["kin"](by_key["transnas-micro"], by_key["nasbench201/no-none"])
    assert found["kin"](by_key["nasbench201/all"], by_key["nasbench201/no-none"])
    assert not found["kin"](by_key["darts"], by_key["metaqnn"])


def test_the_card_names_every_table_and_its_licence() -> None:
    lines = "\n".join(script("ship_universal")["sources"]())
    for name in ("nasbench101", "transnas-macro", "digits", "hwgpt-s"):
        assert f"| {name} |" in lines
    assert "none stated |" not in lines.replace("others none stated |", "")
