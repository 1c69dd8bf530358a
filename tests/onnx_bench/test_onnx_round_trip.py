"""Every operator that can be exported comes back from its ONNX model as the same row."""

import pytest
from operator_cases import RUNNABLE

from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import import_onnx


@pytest.mark.parametrize("case", RUNNABLE)
def test_operator_comes_back_equal(case: str) -> None:
    _, graph = RUNNABLE[case]
    found = import_onnx(to_onnx(graph))
    assert [found.graph.node(i) for i in range(len(found.graph))] == [
        graph.node(i) for i in range(len(graph))
    ]
    assert found.graph == graph
    assert found.unknown == {}
