"""Numbers read from a computation graph: of each node, and later of the whole."""
