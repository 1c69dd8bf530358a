"""How a network of `digits` is trained and scored: the protocol behind the shipped labels.

scikit-learn's 1,797 grey 8x8 digits, with so much Gaussian noise that good networks stay apart:
1,197 images to train with, fresh noise each epoch; 600 to test with, each under six fixed draws of
noise. AdamW with a one-cycle schedule, 8 epochs in batches of 64. A second or so on one core.
"""

from dataclasses import dataclass
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from onnx_bench.graph import ComputationGraph
from onnx_bench.torch_module import to_torch

EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 8, 64, 4e-3, 1e-2
TRAIN, NOISE, TEST_DRAWS = 1197, 0.5, 6
LAYOUT = torch.channels_last  # a third faster than the default for such small convolutions


@dataclass(frozen=True)
class Run:
    """One training of one network; accuracies in percent."""

    accuracy: float
    """On the test images under all draws of noise, after the last epoch."""
    curve: tuple[float, ...]
    """After each epoch, under the first draw only."""


def train(graph: ComputationGraph, seed: int) -> Run:
    """Trains the network of a graph from scratch; the same seed gives the same run.

    The graph must read (1, 8, 8) images and answer ten classes.
    """
    torch.manual_seed(seed)
    images, labels, test_images, test_labels = _data()
    model = to_torch(graph).to(memory_format=LAYOUT)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=EPOCHS * steps, pct_start=0.2
    )
    curve = []
    for _ in range(EPOCHS):
        model.train()
        order = torch.randperm(len(images))
        noisy, truth = _noisy(images[order]), labels[order]
        for start in range(0, steps * BATCH, BATCH):  # full batches only, for the normalisation
            step = slice(start, start + BATCH)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(noisy[step]), truth[step])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        curve.append(_accuracy(model, test_images[:1], test_labels))
    return Run(_accuracy(model, test_images, test_labels), tuple(curve))


def _accuracy(model: torch.nn.Module, images_DN: Tensor, labels: Tensor) -> float:
    model.eval()
    with torch.inference_mode():
        right = [
            (model(draw.contiguous(memory_format=LAYOUT)).argmax(1) == labels).float().mean()
            for draw in images_DN
        ]
    return 100 * float(torch.stack(right).mean())


@cache
def _data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, noisy test images (draws, images, 1, 8, 8) and labels."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    fixed = torch.Generator().manual_seed(0)
    order = torch.randperm(len(images), generator=fixed)
    train, test = order[:TRAIN], order[TRAIN:]
    draws = torch.stack([_noisy(images[test], fixed) for _ in range(TEST_DRAWS)])
    return images[train], labels[train], draws, labels[test]


def _noisy(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    noise = torch.randn(images.shape, generator=generator)
    return (images + NOISE * noise).contiguous(memory_format=LAYOUT)
