"""Less noise from Lightning."""

import logging
import warnings


def quiet() -> None:
    """Silences Lightning's adverts and the hints that do not concern a two-core machine."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    hints = (
        "does not have many workers",
        "LeafSpec",
        "_pytree",
        "logging interval",
        "exists and is not empty",  # a run that goes on
        "JSONARGPARSE_DEPRECATION",
    )
    for hint in hints:
        warnings.filterwarnings("ignore", message=f".*{hint}.*")
