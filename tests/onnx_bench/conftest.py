"""Where it stands tells pytest to look here for what tests of every folder below import."""
