"""What every test shares: one torch thread, patience, and the folder of the public label tables."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# A busy machine is no failure: how long an example takes says nothing about what it tests.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the public label tables; without it the test is skipped."""
    value = os.environ.get("GENNAPE_DATA")
    if not value:
        pytest.skip("needs the public label tables: set GENNAPE_DATA to their folder")
    root = Path(value)
    if not root.is_dir():
        pytest.skip(f"GENNAPE_DATA is {value}, which is no folder: set it to the label tables'")
    return root
