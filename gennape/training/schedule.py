"""How the learning rate moves during a run."""

from typing import Literal, get_args

import lightning as L
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from onnx_bench.errors import GennapeError

Schedule = Literal["constant", "cosine"]
WARM_UP = 0.1


def check(schedule: str) -> None:
    """Refuses what is no schedule.

    Raises:
        GennapeError: it is none.
    """
    if schedule not in get_args(Schedule):
        raise GennapeError(f"schedule is {schedule!r}, expected one of {get_args(Schedule)}")


def scheduled(optimizer: Optimizer, schedule: Schedule, trainer: L.Trainer) -> OptimizerLRScheduler:
    """What `configure_optimizers` returns: `cosine` rises over a tenth of all steps, then falls.

    The optimizer's own rate is the highest one.
    """
    if schedule == "constant":
        return optimizer
    steps = int(trainer.estimated_stepping_batches)
    rise = max(round(WARM_UP * steps), 1)
    rising = LinearLR(optimizer, start_factor=WARM_UP, total_iters=rise)
    falling = CosineAnnealingLR(optimizer, max(steps - rise, 1))
    both = SequentialLR(optimizer, [rising, falling], [rise])
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": both, "interval": "step"}}
