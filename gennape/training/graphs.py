"""Networks without labels, as a LightningDataModule for pretraining."""

from pathlib import Path
from typing import NamedTuple

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from gennape.batch import EncodedGraphs, GraphBatch
from gennape.checkpoint import Form
from gennape.features.spectrum import Q, spectra_of
from gennape.training.gather import share
from onnx_bench.benchmarks import read
from onnx_bench.collections.cache import graphs_of
from onnx_bench.errors import LabelError
from onnx_bench.families import FAMILIES, family, family_of
from onnx_bench.terminal import progress


class UnlabelledBatch(NamedTuple):
    """B graphs, the spectrum of each (B, q), and the number of its family (B,)."""

    graphs: GraphBatch
    spectra_BQ: Tensor
    family_B: Tensor


class GraphData(L.LightningDataModule):
    """Networks of any families, with the spectra of their graphs; no label is read.

    Args:
        sources: where networks come from: a benchmark, `nasbench101`, or a part of one,
            `nasbench201/no-none`; `family:COUNT` draws that many random members of a family.
        limit: at most so many networks of each source, drawn at random.
        fused: whether graphs are in the fused form, half the nodes, or atomic as in the paper.
        q: how many of the smallest eigenvalues are compared.
        batch_size: graphs a step, over all processes.
        validation: share that is only watched.
        data_root: folder of the public tables; GENNAPE_DATA by default.
        seed: of draws and the split.
    """

    def __init__(
        self,
        sources: tuple[str, ...] = ("digits",),
        limit: int | None = None,
        fused: bool = True,
        q: int = Q,
        batch_size: int = 128,
        validation: float = 0.1,
        data_root: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sources, self.limit, self.fused, self.q = tuple(sources), limit, fused, q
        self.batch_size, self.validation, self.seed = batch_size, validation, seed
        self.data_root = data_root
        self.families: tuple[str, ...] = ()

    def setup(self, stage: str) -> None:
        """Builds the graphs, or opens them from the cache, and computes their spectra.

        Raises:
            LabelError: a source is unknown, its table is missing, or there are too few networks.
        """
        del stage
        if self.families:
            return
        rng = np.random.default_rng(self.seed)
        texts = [text for source in self.sources for text in self._texts(source, rng)]
        if len(texts) < 4:
            raise LabelError(f"{len(texts)} networks in {self.sources}; pretraining needs more")
        with progress() as display:
            task = display.add_task("building graphs", total=len(texts))
            found = graphs_of(
                texts, self.fused, lambda done: display.advance(task, done), workers=2
            )
        self.graphs = EncodedGraphs(found)
        self.spectra_GQ = torch.from_numpy(spectra_of(found, self.q))
        kinds = [family_of(text) for text in texts]
        self.families = tuple(dict.fromkeys(kinds))
        self.family_G = torch.tensor([self.families.index(kind) for kind in kinds])
        order = rng.permutation(len(texts))
        held_out = max(round(len(texts) * self.validation), 2)
        self.train_rows, self.val_rows = order[held_out:], order[:held_out]

    def _texts(self, source: str, rng: np.random.Generator) -> list[str]:
        """The networks of one source."""
        name, _, count = source.partition(":")
        if count:
            if name not in FAMILIES or not count.isdigit():
                raise LabelError(f"source {source!r}: expected FAMILY:COUNT, as in darts:1000")
            members = family(name)
            drawn = (members.format(members.sample(rng)) for _ in range(int(count)))
            return [f"{name}:{text}" for text in dict.fromkeys(drawn)]
        benchmark, _, subset = source.partition("/")
        root = Path(self.data_root) if self.data_root else None
        texts = list(dict.fromkeys(read(benchmark, root, subset=subset or None).networks))
        if self.limit is not None and self.limit < len(texts):
            texts = [texts[i] for i in np.sort(rng.permutation(len(texts))[: self.limit])]
        return texts

    @property
    def form(self) -> Form:
        """The form of the graphs."""
        return "fused" if self.fused else "atomic"

    @property
    def source(self) -> str:
        """What the networks are, in words."""
        return f"{len(self.graphs):,} unlabelled networks of {', '.join(self.sources)}"

    def train_dataloader(self) -> DataLoader[int]:
        return self._loader(self.train_rows, shuffle=True)

    def val_dataloader(self) -> DataLoader[int]:
        return self._loader(self.val_rows)

    def _loader(self, rows: npt.NDArray[np.int64], shuffle: bool = False) -> DataLoader[int]:
        listed = rows.tolist()
        processes = self.trainer.world_size if self.trainer else 1
        return DataLoader(
            listed,
            batch_size=max(self.batch_size // processes, 2),
            sampler=share(listed, self.trainer, self.seed, shuffle),
            drop_last=shuffle and len(rows) > self.batch_size,
            collate_fn=self._collate,
        )

    def _collate(self, rows: list[int]) -> UnlabelledBatch:
        return UnlabelledBatch(self.graphs.batch(rows), self.spectra_GQ[rows], self.family_G[rows])
