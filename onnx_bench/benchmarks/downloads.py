"""Where authors publish what, apart from the benchmarks whose own file says so.

Addresses in repositories name a commit where one is known, so that what they give stays the same.
"""

from pathlib import Path

from onnx_bench.benchmarks import BENCHMARKS, benchmark
from onnx_bench.benchmarks.base import Download, data_folder
from onnx_bench.errors import LabelError

_GITHUB = "https://raw.githubusercontent.com"
_DRIVE = "https://drive.google.com"
_HUB = "https://huggingface.co/datasets"
_GRAPHS = "THUMNLab/NAS-Bench-Graph/a19a985e35539f611d69bbf4793f2e3336ecb63f/nas-bench-graph/light"
_GRAPH_DATA = ("arxiv", "computers", "cora", "cs", "photo", "physics", "proteins", "pubmed")
_TIMM = "huggingface/pytorch-image-models/0173a139a2c66db3a41ebfe1d8ac4fb02483642e/results"
_VIT = "lliai/Auto-Prox-AAAI24/69ccf82bfa8897ce3c955a700a5b0f046d8e5f87/gt_results"
_NLP = "fmsnew/nas-bench-nlp-release/63e2dd6daeeeb16e189f757a9e94be343940d710"


def _raw(folder: str, *files: str, note: str = "") -> tuple[Download, ...]:
    """Files of one folder of a repository, `OWNER/NAME/COMMIT/...`."""
    return tuple(Download(file, (f"{_GITHUB}/{folder}/{file}",), note=note) for file in files)


FOLDERS: dict[str, tuple[Download, ...]] = {
    "nasbench_macro": _raw("xiusu/NAS-Bench-Macro/master/data", "nas-bench-macro_cifar10.json"),
    "nats_sss": (
        Download(
            "NATS-sss-v1_0-50262-simple.tar",
            (f"{_DRIVE}/file/d/1scOMTUwcQhAMa_IMedp9lTzwmgqHLGgA/view",),
            note="the archive as it is",
            by_hand=True,
        ),
    ),
    "transnasbench101": (
        Download(
            "transnas-bench_v10141024.pth",
            (
                f"{_DRIVE}/drive/folders/1HlLr2ihZX_ZuV3lJX_4i7q4w-ZBdhJ6o",
                "https://www.noahlab.com.hk/opensource/vega/page/doc.html?path=datasets/transnasbench101",
            ),
            note="the file as it is",
            by_hand=True,
        ),
    ),
    "nasbench301": (
        Download(
            "nb_301_v13",
            ("https://figshare.com/articles/dataset/nasbench301_full_data/13286105",),
            note="unpack the archive as this folder",
            by_hand=True,
        ),
    ),
    "onnx_hub": (
        Download(
            ".",
            (f"{_HUB}/carlosqsw/ONNX-Bench",),
            note="unpack the archives in this folder, one folder a space",
            by_hand=True,
        ),
    ),
    "nasbench_nlp": _raw(_NLP, "train_logs_wikitext-2/logs.zip", note="an archive to unpack"),
    "timm_imagenet": _raw(
        _TIMM,
        "results-imagenet.csv",
        "results-imagenet-real.csv",
        "results-imagenet-a.csv",
        "results-imagenet-r.csv",
        "results-imagenetv2-matched-frequency.csv",
        "results-sketch.csv",
    ),
    "vit_bench": _raw(
        _VIT, "gt_pit.pth", "gt_autoformer.pth", "gt_autoformer_2.pth", note="pickles"
    ),
    "gennape": (
        Download(
            "CG_data.zip",
            (
                f"{_DRIVE}/drive/folders/1nTj8g6XbIU_PYvOBaXjylBHmgo-3okra",
                f"{_HUB}/kgmills/GENNAPE",
            ),
            note="GENNAPE's graphs of ten families, an archive to unpack",
            by_hand=True,
        ),
    ),
}
"""Files of the benchmarks in these folders under the data root."""

COLLECTIONS: dict[str, tuple[Download, ...]] = {
    "nas_bench_graph": _raw(
        _GRAPHS,
        *(f"{name}.bench" for name in _GRAPH_DATA),
        note="a pickle; read with the authors' own code",
    ),
    "grapharch-regression": (
        Download(
            "data.parquet",
            (f"{_HUB}/akhauriyash/GraphArch-Regression",),
            megabytes=4117,
            note="networks of several spaces as the text of ONNX files, with accuracies",
            by_hand=True,
        ),
    ),
}
"""Files of sets of networks that no benchmark here reads, each in a folder of its name."""


def downloads(name: str, root: Path | None = None) -> tuple[Path, tuple[Download, ...]]:
    """The folder of a benchmark or collection, and the files that belong into it.

    Raises:
        LabelError: there is none of that name, or no folder of tables was given.
    """
    if name in COLLECTIONS:
        return data_folder(name, f"{name}/", root) / name, COLLECTIONS[name]
    if name not in BENCHMARKS:
        known = ", ".join((*BENCHMARKS, *COLLECTIONS))
        raise LabelError(f"nothing to fetch is called {name!r}; there are {known}")
    found = benchmark(name)
    return found.home(root), found.downloads or FOLDERS.get(found.folder, ())
