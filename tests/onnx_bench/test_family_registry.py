"""Families by name, with and without a variant, and which texts are specifications."""

import pytest

from onnx_bench.errors import SpecError
from onnx_bench.families import FAMILIES, Family, build_spec, family, family_of, is_spec
from tests.small_families import SELF_CONTAINED


def test_a_family_is_found_by_its_name() -> None:
    for name in FAMILIES:
        assert isinstance(family(name), Family)
        assert family(name).name == name


def test_an_unknown_family_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SpecError, match="'nasbench999'") as caught:
        family("nasbench999")
    assert all(name in str(caught.value) for name in FAMILIES)


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_build_spec_builds_the_text_behind_the_familys_name(name: str) -> None:
    text = f"{name}:{family(name).example}"
    assert build_spec(text) == family(name).graph(family(name).example)
    assert is_spec(text)


@pytest.mark.parametrize("text", ["net.onnx", "/a/b:c.onnx", "unknown:x", ""])
def test_other_texts_are_no_specifications(text: str) -> None:
    assert not is_spec(text)


def test_a_text_without_a_family_is_refused() -> None:
    with pytest.raises(SpecError, match="FAMILY:SPECIFICATION"):
        build_spec("digits-cells")


# variants


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_every_variant_builds_the_example_under_its_own_name(name: str) -> None:
    for variant in family(name).variants:
        members = family(f"{name}@{variant}")
        text = f"{members.name}:{members.example}"
        assert build_spec(text).validate().name == text
        assert is_spec(text)
        assert family_of(text) == name


def test_a_variant_is_another_skeleton_of_the_same_cells() -> None:
    cell = family("nasbench201").example
    classes = [
        build_spec(f"{name}:{cell}").node(-1).out_shape
        for name in ("nasbench201", "nasbench201@cifar100", "nasbench201@imagenet16")
    ]
    assert classes == [(10,), (100,), (120,)]


@pytest.mark.parametrize("name", ["nasbench201@svhn", "nasbench101@cifar100", "darts@wide"])
def test_a_variant_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=name.partition("@")[2]) as caught:
        family(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["net.onnx", "/a/b:c.onnx", "darts", ""])
def test_what_is_no_specification_is_of_the_family_onnx(text: str) -> None:
    assert family_of(text) == "onnx"
