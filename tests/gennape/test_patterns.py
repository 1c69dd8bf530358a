"""Patterns of graphs: against counting them one by one, and what they do not depend on."""

from collections import Counter
from collections.abc import Hashable

import numpy as np
import pytest
import torch

from gennape.batch import EncodedGraphs, GraphBatch
from gennape.models.patterns import PatternsEncoder
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.families import family
from tests.small_families import SMALL_FAMILIES


def batch_of(name: str, count: int) -> GraphBatch:
    members, rng = family(name), np.random.default_rng(0)
    graphs = EncodedGraphs(fuse(members.build(members.sample(rng))) for _ in range(count))
    return graphs.batch(range(count))


def counted(batch: GraphBatch, hops: int) -> list[Counter[Hashable]]:
    """How often each graph has each pattern, as nested tuples, not hashed."""
    sources, readers = batch.edges_2E.tolist()
    shrinks = (batch.resolution_N6[:, 0] != batch.resolution_N6[:, 1]).tolist()
    start: list[Hashable] = [
        (kind, *kernel, shrink)
        for kind, kernel, shrink in zip(
            batch.type_N.tolist(), batch.kernel_N2.tolist(), shrinks, strict=True
        )
    ]
    found = [Counter[Hashable]() for _ in range(batch.num_graphs)]
    for way, ends in (("before", (sources, readers)), ("after", (readers, sources))):
        around = list(start)
        for hop in range(hops + 1):
            for node, graph in enumerate(batch.graph_N.tolist()):
                if hop or way == "before":
                    found[graph][hop, way, around[node]] += 1
            heard: list[list[Hashable]] = [[] for _ in start]
            for source, reader in zip(*ends, strict=True):
                heard[reader].append(around[source])
            around = [(own, tuple(sorted(heard[i], key=repr))) for i, own in enumerate(around)]
    return found


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_products_are_those_of_counted_patterns(name: str) -> None:
    batch = batch_of(name, 5)
    counts = counted(batch, 2)
    every = sorted({pattern for own in counts for pattern in own}, key=repr)
    exact = np.log1p([[own[pattern] for pattern in every] for own in counts])
    found = PatternsEncoder(2, 2**18)(batch).double().numpy()
    # With that many columns hardly two patterns share one; a share changes a product by little.
    np.testing.assert_allclose(found @ found.T, exact @ exact.T, rtol=0.03)
    assert np.count_nonzero(found) >= 0.99 * np.count_nonzero(exact)


def test_few_columns_keep_products_in_the_mean() -> None:
    batch = batch_of("nasbench101", 30)
    wide, narrow = (PatternsEncoder(2, buckets)(batch) for buckets in (2**18, 1024))
    assert narrow.shape == (30, 1024)
    products = [(x - x.mean(dim=0)) @ (x - x.mean(dim=0)).T for x in (wide, narrow)]
    pair = torch.stack([product.flatten() for product in products])
    assert torch.corrcoef(pair)[0, 1] > 0.97


def test_a_network_has_the_same_patterns_in_any_company() -> None:
    batch = batch_of("nasbench201", 4)
    members, rng = family("nasbench201"), np.random.default_rng(0)
    first = EncodedGraphs([fuse(members.build(members.sample(rng)))]).batch([0])
    encoder = PatternsEncoder()
    assert torch.equal(encoder(batch)[:1], encoder(first))


def test_without_steps_operators_are_counted() -> None:
    batch = batch_of("nasbench201", 1)
    found = PatternsEncoder(0, 2**18)(batch)
    sizes = Counter(next(iter(counted(batch, 0))).values())
    assert Counter(found[found != 0].abs().expm1().round().int().tolist()) == sizes


def test_widths_make_no_difference() -> None:
    members = family("nats-sss")
    graphs = [fuse(members.build((width,) * 5)) for width in ("16", "64")]
    found = PatternsEncoder()(EncodedGraphs(graphs).batch([0, 1]))
    assert torch.equal(found[0], found[1])
    assert found.any()


@pytest.mark.parametrize(("hops", "buckets"), [(-1, 4), (2, 0)])
def test_no_columns_and_negative_steps_are_refused(hops: int, buckets: int) -> None:
    with pytest.raises(GennapeError, match="hops and"):
        PatternsEncoder(hops, buckets)
