"""What several commands share."""

DEFAULT_MODEL = "gennape-universal"
"""The checkpoint that is taken where none is named."""
