"""What GPT-2 and Transformer-XL share in LiteTransformerSearch (Javaheripi et al., NeurIPS 2022).

Width, and of each layer its heads and the width of its feed-forward part; and the adaptive
embedding: e values for the most frequent words, e / v and e / v^2 for the next clusters, each
mapped to the width. The text is `d512-e128-v4/8x1601/4x1671`, two layers at a width of 512.

A graph begins with the word numbers and ends with the last states. The softmax over the vocabulary
behind them reads the tables of the embedding again, and a graph counts a weight once. In the
embedding each cluster's table reads every word number, where the network reads the one that the
word belongs to, so a word number must be a row of the smallest table.
"""

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family

WIDTHS, EMBEDDINGS, DIVISIONS = (64, 128, 256, 512), (64, 128, 256, 512), (1, 2, 4)
HEADS, INNER = (2, 4, 8), (512, 2048)
MAX_LAYERS, MAX_WIDTH, MAX_EMBEDDING = 64, 8192, 2048
_HEAD = re.compile(r"d([1-9]\d*)-e([1-9]\d*)-v([124])", re.ASCII)
_LAYER = re.compile(r"([1-9]\d*)x([1-9]\d*)", re.ASCII)


class Corpus(NamedTuple):
    """What a network reads.

    Args:
        words: size of the vocabulary.
        length: tokens at a time.
        cutoffs: where a new cluster of the adaptive embedding begins.
        tied: whether the softmax shares the projection of each cluster with the embedding.
    """

    words: int
    length: int
    cutoffs: tuple[int, ...] = ()
    tied: tuple[bool, ...] = (False,)

    @property
    def clusters(self) -> list[int]:
        """Words in each cluster."""
        ends = (0, *self.cutoffs, self.words)
        return [end - start for start, end in pairwise(ends)]


class Decoder(NamedTuple):
    """A specification.

    Args:
        width: of the states.
        embedding: values for each of the most frequent words.
        division: by which the next cluster has fewer values.
        layers: heads and width of the feed-forward part.
    """

    width: int
    embedding: int
    division: int
    layers: tuple[tuple[int, int], ...]


class DecoderFamily(Family[Decoder]):
    """Decoders of 2 to 16 layers; `parse` also reads wider and deeper ones.

    Args:
        corpus: the vocabulary, its clusters and the number of tokens.
    """

    source = "LiteTransformerSearch: Javaheripi et al., NeurIPS 2022"
    depths: tuple[int, int]
    """Fewest and most layers of a sample."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def parse(self, text: str) -> Decoder:
        first, *rest = text.split("/")
        match = _HEAD.fullmatch(first)
        if match is None:
            raise self.refuse(text, f"begins with {first!r}, expected dWIDTH-eEMBEDDING-v1, 2 or 4")
        layers = [_LAYER.fullmatch(part) for part in rest]
        if not all(layers) or not 1 <= len(rest) <= MAX_LAYERS:
            raise self.refuse(text, f"has no 1 to {MAX_LAYERS} layers of the form HEADSxWIDTH")
        width, embedding, division = (int(value) for value in match.groups())
        spec = Decoder(
            width, embedding, division, tuple((int(m[1]), int(m[2])) for m in layers if m)
        )
        if any(width % heads for heads, _ in spec.layers):
            raise self.refuse(text, f"has heads that do not divide its width {width}")
        widest = max(width, *(inner for _, inner in spec.layers))
        if widest > MAX_WIDTH or embedding > MAX_EMBEDDING:
            raise self.refuse(text, f"has a width above {MAX_WIDTH} or an e above {MAX_EMBEDDING}")
        if not embedding // division ** (len(self.corpus.clusters) - 1):
            raise self.refuse(text, f"leaves the last cluster no value of {embedding}")
        return spec

    def format(self, spec: Decoder) -> str:
        layers = (f"{heads}x{inner}" for heads, inner in spec.layers)
        return "/".join((f"d{spec.width}-e{spec.embedding}-v{spec.division}", *layers))

    def sample(self, rng: np.random.Generator) -> Decoder:
        """As the benchmark's random runs: every layer on its own."""
        width, embedding = WIDTHS[rng.integers(4)], EMBEDDINGS[1 + rng.integers(3)]
        least, most = self.depths
        layers = tuple(
            (HEADS[rng.integers(3)], int(rng.integers(INNER[0], INNER[1] + 1)))
            for _ in range(rng.integers(least, most + 1))
        )
        return Decoder(width, embedding, DIVISIONS[rng.integers(3)], layers)

    def neighbours(self, spec: Decoder) -> list[Decoder]:
        """Another width, embedding or division; other heads or 64 more or less; a layer, fewer."""
        found = [spec._replace(width=width) for width in WIDTHS]
        found += [spec._replace(embedding=embedding) for embedding in EMBEDDINGS]
        found += [spec._replace(division=division) for division in DIVISIONS]
        for i, (heads, inner) in enumerate(spec.layers):
            others = [(h, inner) for h in HEADS]
            others += [(heads, inner + step) for step in (-64, 64) if inner + step >= INNER[0]]
            front, behind = spec.layers[:i], spec.layers[i + 1 :]
            found += [spec._replace(layers=(*front, layer, *behind)) for layer in others]
        if len(spec.layers) < MAX_LAYERS:
            found.append(spec._replace(layers=(*spec.layers, spec.layers[-1])))
        if len(spec.layers) > 1:
            found.append(spec._replace(layers=spec.layers[:-1]))
        return [s for s in dict.fromkeys(found) if s != spec and self._valid(s)]

    def _valid(self, spec: Decoder) -> bool:
        last = spec.embedding // spec.division ** (len(self.corpus.clusters) - 1)
        return last > 0 and not any(spec.width % heads for heads, _ in spec.layers)

    def embed(self, g: GraphBuilder, spec: Decoder) -> int:
        """The adaptive embedding of the word numbers, times the root of the width."""
        tokens = g.input(self.corpus.length)
        clusters = self.corpus.clusters
        sizes = [spec.embedding // spec.division**i for i in range(len(clusters))]
        parts = [g.embedding(tokens, *table) for table in zip(clusters, sizes, strict=True)]
        if spec.division > 1:
            # Each cluster has a projection, also where its values are as many as the width.
            parts = [g.linear(part, spec.width, bias=False) for part in parts]
        x = g.add(*parts)
        if g.shape(x)[-1] != spec.width:
            x = g.linear(x, spec.width, bias=False)
        return g.scale(x)
