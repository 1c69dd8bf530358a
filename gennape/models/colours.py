"""Weisfeiler-Lehman colours: 64-bit hashes of nodes, equal where nodes cannot be told apart.

After L rounds a node's colour is a hash of what lies within L steps of it (Shervashidze et al.,
JMLR 2011), which is all that L layers of message passing can see (Xu et al., ICLR 2019).
"""

from torch import Tensor

# Odd 64-bit constants; arithmetic wraps around, which is what a hash wants.
_MIX, _STEP = -7046029254386353131, -4417276706812531889


def mixed(value: Tensor) -> Tensor:
    """A hash of 64-bit integers that spreads every bit."""
    value = (value ^ (value >> 31)) * _MIX
    return value ^ (value >> 29)


def joined(first: Tensor, second: Tensor) -> Tensor:
    """One hash of pairs of 64-bit integers, in order."""
    return mixed(first * _STEP + second)


def refined(colour_N: Tensor, edges_2E: Tensor) -> Tensor:
    """The colours of one round later: each node's own, and those that arrive along the edges."""
    sources, readers = edges_2E
    arriving_N = colour_N.new_zeros(len(colour_N)).index_add_(0, readers, mixed(colour_N[sources]))
    return joined(colour_N, arriving_N)
