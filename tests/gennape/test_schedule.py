"""The learning rate rises over a tenth of the steps, and falls to nothing."""

import math
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gennape.training.schedule import check, scheduled
from onnx_bench.errors import GennapeError


def rates(steps: int, rate: float = 0.5) -> list[float]:
    """The rate of each step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    trainer: Any = SimpleNamespace(estimated_stepping_batches=steps)
    made: Any = scheduled(optimizer, "cosine", trainer)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            made["lr_scheduler"]["scheduler"].step()
    return found


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    found = rates(50)
    for step in range(5):
        assert found[step] == pytest.approx(0.5 * (0.1 + 0.9 * step / 5))
    for step in range(5, 50):
        assert found[step] == pytest.approx(0.25 * (1 + math.cos(math.pi * (step - 5) / 45)))


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11])
def test_short_runs_have_a_rate_too(steps: int) -> None:
    assert all(0 < rate <= 0.5 for rate in rates(steps))


def test_a_constant_rate_needs_no_scheduler() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    trainer: Any = None
    assert scheduled(optimizer, "constant", trainer) is optimizer


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(GennapeError, match="schedule is 'linear', expected one of"):
        check("linear")
