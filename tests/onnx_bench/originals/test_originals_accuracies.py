"""The cell benchmarks' own files: written small in their format, and read as the wide tables."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from foreign_files import (
    results,
    run_of_nasbench101,
    training,
    write_bz2,
    write_tfrecord,
)

from onnx_bench import benchmarks
from onnx_bench.errors import LabelError
from onnx_bench.families import build_spec, family
from onnx_bench.originals import nasbench101, nasbench201, nasbench301, nats_sss, transnas

# NAS-Bench-101

HASHES = ("0a" * 16, "0b" * 16)


def tfrecord(folder: Path, budgets: tuple[int, ...] = (4, 12, 36, 108)) -> Path:
    return write_tfrecord(
        folder / "nasbench_full.tfrecord",
        [
            run_of_nasbench101(module, epochs, 0.9 + 0.01 * run, 0.8 + 0.01 * run, epochs * 5.0, 77)
            for epochs in budgets
            for run in range(3)
            for module in HASHES
        ],
    )


def test_nasbench101_has_every_budget_and_run(tmp_path: Path) -> None:
    tfrecord(tmp_path)
    frame = nasbench101.read(tmp_path)
    assert list(frame["module_hash"]) == list(HASHES)
    assert list(frame["adjacency"]) == ["010001000"] * 2
    assert list(frame["operations"]) == ["input,conv3x3-bn-relu,output"] * 2
    assert list(frame["trainable_parameters"]) == [77, 77]
    assert list(frame["sampled_in"]) == ["full", "full"]
    for epochs in (4, 12, 36, 108):
        for run in range(3):
            row = frame.iloc[1]
            assert row[f"val_acc_{epochs}_r{run}"] == pytest.approx(90 + run)
            assert row[f"test_acc_{epochs}_r{run}"] == pytest.approx(80 + run)
            assert row[f"training_time_s_{epochs}_r{run}"] == pytest.approx(5 * epochs)
    assert frame["val_acc_108_mean"].tolist() == pytest.approx([91, 91])
    assert frame["training_time_s_mean"].tolist() == pytest.approx([540, 540])


def test_a_run_that_is_missing_is_none(tmp_path: Path) -> None:
    runs = [run_of_nasbench101(HASHES[i], 108, 0.9, 0.8, 5, 7) for i in (0, 0, 1)]
    write_tfrecord(tmp_path / "nasbench_only108.tfrecord", runs)
    frame = nasbench101.read(tmp_path)
    assert frame["val_acc_108_r1"].isna().tolist() == [False, True]
    assert frame["val_acc_108_mean"].tolist() == pytest.approx([90, 90])


def test_nasbench101_is_read_in_place_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "nasbench101").mkdir()
    tfrecord(tmp_path / "nasbench101", (108,))
    table = benchmarks.read("nasbench101", tmp_path)
    assert table.networks[0] == "nasbench101:010001000:input,conv3x3-bn-relu,output"
    assert table.values.tolist() == pytest.approx([91, 91])
    assert len(build_spec(table.networks[0])) > 20


@pytest.mark.parametrize(
    "record",
    [
        *(b"[]", b"{}", b"no json", b"[" * 5000, b'["a",1,"01","x"]', b'["a",1,"01","x","AAAA"]'),
        *(b'["a",108,"011","x",""]', b'["a","108","0100","x",""]', b"\xff"),
    ],
)
def test_a_record_of_something_else_is_refused(tmp_path: Path, record: bytes) -> None:
    write_tfrecord(tmp_path / "nasbench_full.tfrecord", [record])
    with pytest.raises(LabelError, match="record 1 is no run of NAS-Bench-101"):
        nasbench101.read(tmp_path)


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    path = write_tfrecord(tmp_path / "nasbench_full.tfrecord", [])
    with pytest.raises(LabelError, match=rf"{path.name}: holds no records"):
        nasbench101.read(tmp_path)


def test_a_cell_of_a_million_runs_is_refused(tmp_path: Path) -> None:
    run = run_of_nasbench101(HASHES[0], 108, 0.9, 0.8, 5, 7)
    write_tfrecord(tmp_path / "nasbench_full.tfrecord", [run] * 40)
    with pytest.raises(LabelError, match="more than 32"):
        nasbench101.read(tmp_path)


# NAS-Bench-201 and NATS-Bench

CELLS = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|skip_connect~1|none~2|",
)
SETS = {
    "cifar10-valid": {"train": 99.0, "x-valid": 90.0, "ori-test": 89.0},
    "cifar10": {"train": 99.5, "ori-test": 93.0},
    "cifar100": {"train": 98.0, "x-valid": 70.0, "x-test": 71.0, "ori-test": 70.5},
    "ImageNet16-120": {"train": 60.0, "x-valid": 44.0, "x-test": 45.0, "ori-test": 44.5},
}


def cell(index: int, arch: str, epochs: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Results on all four data sets; each seed and each network is one better than the last."""
    trainings = [
        training(
            dataset,
            seed,
            epochs,
            {name: value - 30 + index + place for name, value in values.items()},
        )
        for dataset, values in SETS.items()
        for place, seed in reversed(list(enumerate(seeds)))
    ]
    return results(index, arch, trainings)


def network(index: int, arch: str) -> dict[str, Any]:
    return {"12": cell(index, arch, 3, (777,)), "200": cell(index, arch, 5, (777, 888, 999))}


def meta(archs: tuple[str, ...]) -> dict[str, Any]:
    return {"meta_archs": list(archs), "total_archs": len(archs), "evaluated_indexes": {0, 1, 2}}


def simple_folder(folder: Path, archs: tuple[str, ...] = CELLS) -> Path:
    home = folder / "NATS-tss-v1_0-3ffb9-simple"
    write_bz2(home / "meta.pickle.pbz2", meta(archs))
    for index, arch in enumerate(archs):
        write_bz2(home / f"{index:06d}.pickle.pbz2", network(index, arch))
    return home


def whole_file(folder: Path) -> Path:
    infos = {index: network(index, arch) for index, arch in enumerate(CELLS)}
    return write_bz2(
        folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2", {**meta(CELLS), "arch2infos": infos}
    )


def tar(folder: Path) -> Path:
    home = simple_folder(folder / "elsewhere")
    path = folder / "NATS-tss-v1_0-3ffb9-simple.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(home, home.name)
    return path


def old_file(folder: Path, row: bool) -> Path:
    infos = {
        index: {"less": network(index, arch)["12"], "full": network(index, arch)["200"]}
        for index, arch in enumerate(CELLS)
    }
    path = folder / "NAS-Bench-201-v1_1-096897.pth"
    value = {**meta(CELLS), "arch2infos": infos}
    torch.save(value, path, _use_new_zipfile_serialization=not row)
    return path


SHAPES = {
    "folder": simple_folder,
    "one file": whole_file,
    "tar": tar,
    "torch zip": lambda folder: old_file(folder, False),
    "torch row": lambda folder: old_file(folder, True),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_archive_of_nasbench201_gives_the_same_table(tmp_path: Path, shape: str) -> None:
    SHAPES[shape](tmp_path)
    frame = nasbench201.read(tmp_path)
    assert list(frame["arch_str"]) == list(CELLS)
    assert list(frame["iso_group"]) == [0, 1, 1]
    first, last = frame.iloc[0], frame.iloc[2]
    assert first["c10_test_200_mean"] == 93 - 30 + 1  # seeds are 0, 1 and 2 better
    assert last["c10_test_200_mean"] == 93 - 30 + 1 + 2
    assert [first[f"c10valid_val_200_seed{i}"] for i in range(3)] == [60, 61, 62]
    assert first["c10valid_val_200_mean"] == first["c10valid_val_200_nb201v11"] == 61
    assert first["c100_valtest_200_seed0"] == 40.5
    assert first["in16_test_200_nb201v11"] == 16
    assert first["c10valid_train_200_nb201v11"] == 70
    assert (first["c10_test_12"], first["c100_val_12"], first["in16_test_12"]) == (63, 40, 15)
    assert first["train_time_s_200_cifar10"] == pytest.approx(10)
    assert first["params_M_cifar10_analytic"] == 0.129306


def test_labels_of_nasbench201_come_from_the_archive(tmp_path: Path) -> None:
    simple_folder(tmp_path / "nasbench201")
    for label in ("cifar10-test-200", "cifar100-test-12", "imagenet16-valtest-200"):
        table = benchmarks.read("nasbench201", tmp_path, label)
        assert table.networks == tuple(f"nasbench201:{arch}" for arch in CELLS)
        assert np.diff(table.values).tolist() == [1, 1]
    assert len(benchmarks.read("nasbench201", tmp_path, subset="distinct")) == 2


def test_an_incomplete_folder_is_read_with_a_warning(tmp_path: Path) -> None:
    (simple_folder(tmp_path) / "000001.pickle.pbz2").unlink()
    with pytest.warns(UserWarning, match="2 of 3 networks"):
        frame = nasbench201.read(tmp_path)
    assert list(frame["arch_str"]) == [CELLS[0], CELLS[2]]


@pytest.mark.data
def test_forms_are_the_published_distinct_cells(data_root: Path) -> None:
    path = data_root / "nasbench201" / "labels.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    frame = pd.read_parquet(path, columns=["arch_str", "iso_group"])
    ours = pd.factorize(frame["arch_str"].map(nasbench201.form))[0]
    assert np.array_equal(ours, pd.factorize(frame["iso_group"])[0])
    assert ours.max() + 1 == 6466


def test_the_size_space_of_nats_bench(tmp_path: Path) -> None:
    home = tmp_path / "NATS-sss-v1_0-50262-simple"
    archs = ("8:8:8:8:8", "8:16:24:32:64")
    write_bz2(home / "meta.pickle.pbz2", meta(archs))
    for index, arch in enumerate(archs):
        recipes = {hp: cell(index, arch, 4, (777,)) for hp in ("01", "12", "90")}
        write_bz2(home / f"{index:06d}.pickle.pbz2", recipes)
    frame = nats_sss.read(tmp_path)
    assert list(frame["arch_str"]) == list(archs)
    assert frame["c10_test_90"].tolist() == [63, 64]
    assert frame["c100_test_1"].tolist() == [41, 42]
    assert frame["params"].tolist() == [129306, 129306]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"12": {}},
        {"13": cell(0, CELLS[0], 3, (1,))},
        {"12": {**cell(0, CELLS[0], 3, (1,)), "arch_str": 5}},
        {"12": {**cell(0, CELLS[0], 3, (1,)), "all_results": {"cifar10": {}}}},
        {"12": {**cell(0, CELLS[0], 3, (1,)), "all_results": {("cifar10", 1): {"epochs": "3"}}}},
        {"12": cell(0, CELLS[0], 1, tuple(range(30)))},
        {
            "12": results(
                0, CELLS[0], [{**training("cifar10", 1, 1, {"train": 1}), "params": 1e400}]
            )
        },
        {"12": results(0, CELLS[0], [training("cifar10", 1, 1, {"train": 10**400})])},
    ],
)
def test_results_of_something_else_are_refused(tmp_path: Path, value: Any) -> None:
    write_bz2(tmp_path / "NATS-tss-x-simple" / "000000.pickle.pbz2", value)
    with pytest.raises(LabelError, match=r"000000\.pickle\.pbz2"):
        nasbench201.read(tmp_path)


# NAS-Bench-301

BASE = "NetworkSelectorDatasetInfo:darts:"
CONFIG = {
    **{f"{BASE}edge_normal_{i}": "sep_conv_3x3" for i in (0, 1, 2, 4, 5, 6)},
    **{f"{BASE}edge_normal_{i}": "skip_connect" for i in (9, 13)},
    f"{BASE}inputs_node_normal_3": "0_2",
    f"{BASE}inputs_node_normal_4": "0_1",
    f"{BASE}inputs_node_normal_5": "0_4",
    **{f"{BASE}edge_reduce_{i}": "max_pool_3x3" for i in (0, 1)},
    **{f"{BASE}edge_reduce_{i}": "dil_conv_5x5" for i in (3, 4, 7, 8, 10, 12)},
    f"{BASE}inputs_node_reduce_3": "1_2",
    f"{BASE}inputs_node_reduce_4": "2_3",
    f"{BASE}inputs_node_reduce_5": "1_3",
    f"{BASE}layers": 8,
    f"{BASE}init_channels": 32,
    f"{BASE}auxiliary": "True",
}
LOG = {
    "final_metric_score": -93.5,
    "optimized_hyperparamater_config": CONFIG,
    "budget": 100,
    "info": [{"val_accuracy": 93.5, "model_parameters": 1234567, "epochs": 98}],
    "test_accuracy": 93.25,
    "runtime": 5000.5,
}
EXPECTED = (
    "sep3~0+sep3~1,sep3~0+sep3~2,sep3~0+sep3~1,skip~0+skip~4"
    ":max3~0+max3~1,dil5~1+dil5~2,dil5~2+dil5~3,dil5~1+dil5~3"
)


def log(folder: Path, value: Any, name: str = "results_0.json") -> Path:
    path = folder / "nb_301_v13" / "rs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_nasbench301_reads_cells_and_accuracies(tmp_path: Path) -> None:
    log(tmp_path, LOG)
    log(tmp_path, {**LOG, "test_accuracy": 90}, "results_1.json")
    frame = nasbench301.read(tmp_path)
    assert list(frame["cells"]) == [EXPECTED] * 2
    assert frame["test_acc"].tolist() == [93.25, 90]
    assert frame.iloc[0].drop(["cells", "test_acc"]).to_dict() == {
        **{"optimizer": "rs", "epochs": 100, "layers": 8, "init_channels": 32},
        **{"val_acc": 93.5, "runtime_s": 5000.5, "parameters": 1234567},
    }
    darts = family("darts")
    assert darts.format(darts.parse(EXPECTED)) == EXPECTED


def test_networks_of_nasbench301_are_those_that_were_trained(tmp_path: Path) -> None:
    log(tmp_path / "nasbench301", LOG)
    table = benchmarks.read("nasbench301", tmp_path)
    assert table.networks == (f"darts@c32-l8:{EXPECTED}",)
    assert table.values.tolist() == [93.5]
    assert 1e5 < build_spec(table.networks[0]).parameters < 3e6
    assert benchmarks.read("nasbench301", tmp_path, "cifar10-time-100").values.tolist() == [-5000.5]


@pytest.mark.parametrize(
    "change",
    [
        {f"{BASE}edge_normal_13": None},
        {f"{BASE}edge_normal_13": "conv_9x9"},
        {f"{BASE}edge_normal_13": ["sep_conv_3x3"]},
        {f"{BASE}inputs_node_reduce_5": "1_5"},
        {f"{BASE}inputs_node_reduce_5": "1_1"},
        {f"{BASE}inputs_node_reduce_5": 3},
        {f"{BASE}layers": "8"},
        {f"{BASE}layers": 1e400},
        {f"{BASE}layers": 10**400},
        {f"{BASE}layers": 8.5},
    ],
)
def test_a_configuration_outside_of_the_space_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    log(tmp_path, {**LOG, "optimized_hyperparamater_config": {**CONFIG, **change}})
    with pytest.raises(LabelError, match=r"results_0\.json"):
        nasbench301.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", "[" * 9999, '{"info": []}', "null"])
def test_logs_of_something_else_are_refused(tmp_path: Path, text: str) -> None:
    log(tmp_path, {}).write_text(text)
    with pytest.raises(LabelError, match=r"results_0\.json"):
        nasbench301.read(tmp_path)


# TransNAS-Bench-101


def tasks(better: float) -> dict[str, Any]:
    def of(name: str, *values: float) -> dict[str, Any]:
        metrics = {f"valid_{name}": [v + better for v in values], f"test_{name}": list(values)}
        return {
            "total_epochs": len(values),
            "model_info": {"model_params": 2.5, "encoder_params": 2.0, "inference_time": 0.1},
            "metrics": {**metrics, "time_elapsed": [1.0] * len(values)},
        }

    return {
        "class_scene": of("top1", 10, 50),
        "class_object": of("top1", 10, 45),
        "jigsaw": of("top1", 10, 90),
        "room_layout": of("neg_loss", -2, -0.5),
        "segmentsemantic": of("acc", 80, 94),
        "normal": of("ssim", 0.1, 0.5),
        "autoencoder": of("ssim", 0.1, 0.25),
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_transnas_has_seven_tasks_in_two_spaces(tmp_path: Path, zipped: bool) -> None:
    data = {
        "macro": {"64-1234-basic": tasks(0)},
        "micro": {"64-41414-1_02_333": tasks(0), "64-41414-0_00_000": tasks(-0.125)},
    }
    value = {"metrics_dict": {}, "info_names": [], "task_list": list(tasks(0)), "data": data}
    path = tmp_path / "transnas-bench_v10141024.pth"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    frame = transnas.read(tmp_path)
    assert list(frame["space"]) == ["macro", "micro", "micro"]
    assert list(frame["arch_str"]) == [name for space in data.values() for name in space]
    assert frame["class_scene_val_top1_pct"].tolist() == [50, 50, 49.875]
    assert frame["room_layout_val_neg_loss"].tolist() == [-0.5, -0.5, -0.625]
    assert frame["segmentsemantic_val_pixacc_pct"].tolist() == [94, 94, 93.875]
    assert frame["autoencoder_val_ssim"].tolist() == [0.25, 0.25, 0.125]
    assert frame["autoencoder_test_ssim"].tolist() == [0.25] * 3
    assert frame["jigsaw_parameters"].tolist() == [2.5] * 3


@pytest.mark.parametrize(
    "data",
    [
        *(None, [], {}, {"micro": []}, {"micro": {"a": {}}}, {"micro": {"a": {"normal": {}}}}),
        {"micro": {"a": {"jigsaw": {"metrics": {"valid_top1": [10**400]}}}}},
    ],
)
def test_a_file_of_something_else_is_no_transnas(tmp_path: Path, data: Any) -> None:
    torch.save({"data": data}, tmp_path / "transnas-bench_v1.pth")
    with pytest.raises(LabelError, match=r"transnas-bench_v1\.pth"):
        transnas.read(tmp_path)


READERS = (nasbench101, nasbench201, nasbench301, nats_sss, transnas)


@pytest.mark.parametrize("reader", READERS)
def test_without_files_the_error_says_what_is_expected(tmp_path: Path, reader: Any) -> None:
    with pytest.raises(LabelError, match="expected ") as caught:
        reader.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
