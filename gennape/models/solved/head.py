"""What all heads share that are solved at once, from a table of what they read and its targets."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.losses import Loss
from gennape.models.heads import Head
from onnx_bench.errors import GennapeError

LARGEST = 1e18
"""What heads read is kept to that: squares and sums of it are still numbers."""
STILL = 1e-6
"""What differs by less, beside its size, is all the same."""

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class DamagedHeadError(GennapeError, RuntimeError):
    """Buffers that make no head; like torch's own errors of loading a RuntimeError."""


class Table(NamedTuple):
    """What a head is solved from."""

    read_NR: FloatArray
    target_N: FloatArray

    def order(self) -> Rows:
        """An order of the rows that depends on them alone."""
        rows = np.ascontiguousarray(np.column_stack([self.target_N, self.read_NR]))
        # Any order will do: that of the bytes of whole rows leaves no ties but equal rows.
        return np.argsort(rows.view(f"V{rows.strides[0]}")[:, 0])

    def ordered(self) -> "Table":
        """The same rows in that order."""
        return self.taken(self.order())

    def taken(self, rows: Rows) -> "Table":
        """Some of the rows."""
        return Table(self.read_NR[rows], self.target_N[rows])

    def drawn(self, most: int | None, seed: int) -> "Table":
        """At most so many of the rows, drawn evenly."""
        count = len(self.target_N)
        if most is None or count <= most:
            return self
        return self.taken(np.sort(np.random.default_rng(seed).choice(count, most, replace=False)))


class SolvedHead(Head):
    """A head that `solve` fits at once; all that it has learnt is in its buffers.

    Buffers take the sizes that a solution or a checkpoint has. Before it is solved, a head says 0.

    Args:
        in_features: width of what it reads.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features
        for name, value in self._constant(0.0).items():
            self.register_buffer(name, value)

    @abstractmethod
    def _constant(self, mean: float) -> dict[str, Tensor]:
        """Buffers of a head that says the same of all networks."""

    @abstractmethod
    def _solution(self, table: Table, seed: int) -> dict[str, Tensor]:
        """Buffers of a head that has learnt the table, of two rows or more."""

    @abstractmethod
    def _sound(self, buffers: Mapping[str, Tensor]) -> bool:
        """Whether finite buffers of the right kinds make a head."""

    @torch.no_grad()
    def solve(self, read_NR: Tensor, target_N: Tensor, seed: int = 0) -> None:
        """Learns a table, and forgets what was learnt before.

        The order of the rows makes no difference. From one row, or from targets that are all the
        same, their mean is learnt.

        Args:
            read_NR: what the head reads of training networks, shape (N, R).
            target_N: what it shall say of them, shape (N,).
            seed: of all that is drawn.

        Raises:
            GennapeError: there is no row, shapes do not fit, or a value is not finite.
        """
        self._refuse_bad(read_NR, target_N)
        table = self.table(read_NR, target_N).ordered()
        mean = float(table.target_N.mean())
        same = np.ptp(table.target_N) <= STILL * (1 + abs(mean))
        self._place(self._constant(mean) if same else self._solution(table, seed))

    @staticmethod
    def table(read_NR: Tensor, target_N: Tensor) -> Table:
        """What the head is solved from, in double precision."""
        kept = read_NR.double().clamp(-LARGEST, LARGEST)
        return Table(kept.cpu().numpy(), target_N.double().cpu().numpy())

    def _refuse_bad(self, read_NR: Tensor, target_N: Tensor) -> None:
        shapes = tuple(read_NR.shape), tuple(target_N.shape)
        if shapes != ((len(target_N), self.in_features), (len(target_N),)) or not len(target_N):
            raise GennapeError(
                f"a table with rows of shape {shapes[0]} and targets of shape {shapes[1]}, "
                f"expected (N, {self.in_features}) and (N,) with N of 1 or more"
            )
        if not (read_NR.isfinite().all() and target_N.isfinite().all()):
            raise GennapeError("a table with values that are not finite; leave those rows out")

    def loss(self, embedding_BF: Tensor, target_B: Tensor, loss: Loss) -> Tensor:
        """There is none.

        Raises:
            GennapeError: always.
        """
        del embedding_BF, target_B, loss
        raise GennapeError(
            f"{type(self).__name__} is solved, not trained by gradient: call its solve with what "
            "it reads of all training networks, or take a head that is trained, such as mlp"
        )

    def _place(self, buffers: Mapping[str, Tensor]) -> None:
        """Takes values of any size."""
        for name, value in buffers.items():
            setattr(self, name, value.to(getattr(self, name), copy=True))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        names = [name for name in self._buffers if prefix + name in state_dict]
        if len(names) == len(self._buffers):  # torch itself tells what is missing
            given = {name: state_dict[prefix + name] for name in names}
            self._refuse_damaged(given)
            self._place(given)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _refuse_damaged(self, given: Mapping[str, Tensor]) -> None:
        own = dict(self.named_buffers())
        kinds = all(
            (value.ndim, value.is_floating_point()) == (own[n].ndim, own[n].is_floating_point())
            for n, value in given.items()
        )
        if not kinds or not all(v.isfinite().all() for v in given.values()):
            raise DamagedHeadError(
                f"{type(self).__name__}: buffers of other kinds, or values that are not finite"
            )
        if not self._sound(given):
            shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in given.items())
            raise DamagedHeadError(
                f"{type(self).__name__}: buffers do not fit one another, or point nowhere: {shapes}"
            )


def refuse_below(least: int, **counts: int) -> None:
    """Refuses counts that are no whole numbers from `least` on.

    Raises:
        GennapeError: one is; the message names it.
    """
    for name, value in counts.items():
        if not isinstance(value, int) or value < least:
            raise GennapeError(f"{name} is {value!r}, expected a whole number from {least} on")
