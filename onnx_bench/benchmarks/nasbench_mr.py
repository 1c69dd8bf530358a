"""NAS-Bench-MR (Ding et al., ICLR 2022): 2,507 multi-resolution networks in eight settings.

Settings have the authors' names: classification of 50 or 10 classes of ImageNet with 1,000 or 100
images each, segmentation of Cityscapes and actions in HMDB51, the latter two in two ways each.
`cls-10c` is explained nowhere in their files; its scores go in steps of one in 2,500 images, as
those of 50 classes do. One run each, and of each the authors' main metric. The networks are those
of classification, whatever the label.

The authors' repository carries the BSD licence, but its README grants it for academic use only:
labels of this benchmark train nothing that ships.
"""

from onnx_bench.benchmarks.base import Benchmark, Download, Label

SETTINGS = {
    "cls_50_1000": ("top1", "accuracy", "val"),
    "cls_50_100": ("top1", "accuracy", "val"),
    "cls_10_1000": ("top1", "accuracy", "val"),
    "cls_10c": ("top1", "accuracy", "val"),
    "seg": ("mIoU", "miou", "val"),
    "seg_4x": ("mIoU", "miou", "val"),
    "video": ("top1", "accuracy", "test"),
    "video_p": ("top1", "accuracy", "test"),
}
"""Each setting's main metric as the authors and as we name it, and what it was measured on."""
_FILES = "https://raw.githubusercontent.com/dingmyu/NCP/e89050c96bf284f63944a430155ee69aba34011b"


def _label(setting: str) -> Label:
    column, metric, split = SETTINGS[setting]
    name = setting.replace("_", "-")
    return Label(f"{name}-{split}", (f"{setting}.{column}",), name, metric, split, ships=False)


def _download(setting: str) -> Download:
    path = f"{setting.replace('_', '-')}/trainval.pkl"
    return Download(path, (f"{_FILES}/data/{path}",), note="a pickle")


BENCHMARK = Benchmark(
    name="nasbench-mr",
    folder="nas_bench_mr",
    title="2,507 multi-resolution networks on ImageNet subsets, Cityscapes and HMDB51",
    source="Ding et al., ICLR 2022",
    licence="BSD-2-Clause, academic use",
    families=("nasbench-mr",),
    networks=lambda frame: "nasbench-mr:" + frame["code"],
    labels=tuple(map(_label, SETTINGS)),
    needs=("code",),
    downloads=tuple(map(_download, SETTINGS)),
)
