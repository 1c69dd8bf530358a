"""What every test shares: one torch thread, patience, and the folder of the public label tables."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# A busy machine is no failure: how long an example takes says nothing about what it tests.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Graphs that tests build are kept for the session, and never in the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENNAPE_CACHE", str(folder))
        yield folder


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
