"""Many labelled networks: kept in memory, cached on disk, exchanged as parquet, split honestly.

`graphs` holds the arrays that training reads; `storage` keeps them as files that open at once;
`cache` builds them from texts no more than once; `exchange` writes and reads what is passed on;
`splits` never puts one network on both sides; `datasheet` says what a collection holds.
"""

from onnx_bench.collections.graphs import GraphCollection

__all__ = ["GraphCollection"]
