"""AutoFormer, PiT and the architectures of timm by name."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from onnx_bench import torchvision_shim
from onnx_bench.benchmarks import benchmark
from onnx_bench.errors import SpecError
from onnx_bench.families import build_spec, family
from onnx_bench.families.timm_zoo import Architecture
from onnx_bench.operators import Op
from onnx_bench.verification import checks

FAMILIES = ("autoformer", "pit")


WRONG = {
    "autoformer:h200/3x4": "expected h192, h216 or h240",
    "autoformer:h192/3x4": "1 layers, expected 12 to 14",
    "autoformer:h192/" + "/".join(["5x4"] * 12): "'5x4'",
    "autoformer:h192/" + "/".join(["3x5"] * 12): "'3x5'",
    "autoformer:h192/" + "/".join(["3-4"] * 12): "HEADSxRATIO",
    "pit:b16-r2/2x1/2x4": "three times",
    "pit:b16-r2/4x1/2x4/2x2": "multiples of the one before",
    "pit:b4000-r2/2x1/2x4/2x2": "more than 4096 values",
    "pit:b16-r2/2x1/2x400/2x2": "64 layers",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_specification_is_refused_with_one_that_is_right(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        build_spec(text)
    assert WRONG[text] in str(caught.value)
    assert family(text.partition(":")[0]).example in str(caught.value)


def test_heads_of_autoformer_are_of_64_values_whatever_its_width() -> None:
    graph = build_spec("autoformer:h216/" + "/".join(["3x3.5", "4x4"] * 6))
    shapes = [graph.node(i).in_shape for i in graph.nodes_of(Op.ATTENTION)]
    assert shapes == [(3, 197, 64), (4, 197, 64)] * 6
    hidden = [graph.node(i).out_shape for i in graph.nodes_of(Op.GELU)]
    assert hidden == [(197, 756), (197, 864)] * 6


def test_stages_of_pit_have_the_widths_depths_and_patches_of_the_text() -> None:
    graph = build_spec("pit:b24-r6/2x1/4x4/8x2")
    attention = [graph.node(i).in_shape for i in graph.nodes_of(Op.ATTENTION)]
    stages = [(2, 27 * 27 + 1, 24)] + [(4, 14 * 14 + 1, 24)] * 4 + [(8, 7 * 7 + 1, 24)] * 2
    assert attention == stages
    assert {graph.node(i).out_shape[-1] for i in graph.nodes_of(Op.GELU)} == {288, 576, 1152}


def test_variants_differ_in_their_classes_alone() -> None:
    text = family("pit").example
    sizes = {
        name: build_spec(f"{name}:{text}").parameters
        for name in ("pit", "pit@imagenet", "pit@flowers", "pit@chaoyang")
    }
    classes = {"pit": 100, "pit@imagenet": 1000, "pit@flowers": 102, "pit@chaoyang": 4}
    assert {name: size - 33 * classes[name] for name, size in sizes.items()} == dict.fromkeys(
        sizes, sizes["pit"] - 3300
    )


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        # as timm counts them: PiT-Ti, PiT-XS, PiT-S, and ViT-Ti as a member of AutoFormer's space
        ("pit@imagenet:b32-r4/2x2/4x6/8x4", 4_847_272),
        ("pit@imagenet:b48-r4/2x2/4x6/8x4", 10_618_888),
        ("pit@imagenet:b48-r4/3x2/6x6/12x4", 23_461_912),
        ("autoformer@imagenet:h192/" + "/".join(["3x4"] * 12), 5_717_416),
    ],
)
def test_parameters_of_published_members(text: str, parameters: int) -> None:
    assert build_spec(text).parameters == parameters


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_agree_with_the_papers_as_far_as_they_can(name: str) -> None:
    for check in checks(name):
        for text, published in zip(check.networks, check.published, strict=True):
            gap = abs(float(check.ours(build_spec(text))) - float(published))
            assert gap <= (check.tolerance if check.exact else 0.02 * float(published))


@pytest.mark.data
def test_labels_of_vision_benchmarks(data_root: Path) -> None:
    sizes = {name: len(benchmark(name).read(data_root)) for name in ("autoformer", "pit")}
    assert sizes == {"autoformer": 200, "pit": 100}
    for name in FAMILIES:
        for network in benchmark(name).read(data_root).networks:
            text = network.partition(":")[2]
            assert family(name).format(family(name).parse(text)) == text


# timm


@pytest.fixture
def no_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without timm, whether it is installed or not."""
    zoo: Any = import_module("onnx_bench.timm_import")

    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    zoo.timm.cache_clear(), zoo.architectures.cache_clear()
    monkeypatch.setattr(zoo, "import_module", missing)
    monkeypatch.setattr(zoo, "torchvision_shim", SimpleNamespace(install=lambda: None))
    yield
    zoo.timm.cache_clear(), zoo.architectures.cache_clear()


@pytest.mark.usefixtures("no_timm")
def test_without_timm_the_error_says_what_to_install() -> None:
    with pytest.raises(SpecError, match=r'pip install "gennape\[zoo\]"'):
        build_spec("timm:resnet18")
    with pytest.raises(SpecError, match="zoo"):
        family("timm").sample(np.random.default_rng(0))


@pytest.mark.data
@pytest.mark.usefixtures("no_timm")
def test_labels_of_timm_are_read_without_timm(data_root: Path) -> None:
    zoo = benchmark("timm-imagenet")
    assert len(zoo.read(data_root)) == 1556
    assert len(zoo.read(data_root, subset="in1k-only")) == 1211
    assert zoo.read(data_root).kinds[0] == "timm"


@pytest.fixture
def timm() -> None:
    """The extra `zoo`; without it the test is skipped."""
    torchvision_shim.install()
    pytest.importorskip("timm", reason="needs timm, in the extra zoo")


@pytest.mark.usefixtures("timm")
def test_a_name_of_timm_is_its_network() -> None:
    graph = build_spec("timm:resnet18")
    assert (graph.parameters, graph.name) == (11_689_512, "timm:resnet18")
    small = build_spec("timm:resnet18@160")
    assert small.parameters == graph.parameters
    assert [small.node(i).out_shape for i in small.nodes_of(Op.INPUT)] == [(3, 160, 160)]


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("pit@imagenet:b32-r4/2x2/4x6/8x4", "pit_ti_224"),
        ("autoformer@imagenet:h192/" + "/".join(["3x4"] * 12), "vit_tiny_patch16_224"),
    ],
)
def test_a_member_of_a_family_is_the_network_that_timm_has(ours: str, theirs: str) -> None:
    assert build_spec(ours) == build_spec(f"timm:{theirs}")


@pytest.mark.usefixtures("timm")
def test_neighbours_of_an_architecture_are_its_other_sizes() -> None:
    zoo = family("timm")
    names = {other.name for other in zoo.neighbours(Architecture("resnet18", 160))}
    assert {"resnet34", "resnet50", "resnet101"} <= names
    assert "resnet18" not in names
    assert all(other.pixels == 160 for other in zoo.neighbours(Architecture("resnet18", 160)))
    assert {other.name for other in zoo.neighbours(Architecture("visformer_small"))} == {
        "visformer_tiny"
    }


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("text", ["resnet-18", "no_such_net", "resnet18@0", "resnet18@"])
def test_a_name_that_timm_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="a valid specification is 'resnet18'"):
        family("timm").parse(text)
