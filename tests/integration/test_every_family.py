"""A few networks of every family the whole way round: sampled, mutated, run, imported again.

`scripts/exercise_families.py` does the same with thirty of each, and measures how fast they are.
"""

import runpy
from pathlib import Path
from typing import Any

import pytest

from onnx_bench.families import family
from tests.small_families import SELF_CONTAINED

SCRIPT = runpy.run_path(
    str(Path(__file__).parents[2] / "scripts" / "exercise_families.py"), run_name="script"
)


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_networks_of_the_family_go_the_whole_way_round(name: str) -> None:
    row, failures = SCRIPT["exercise"](family(name), 2, 0)
    assert failures == []
    assert {row[step] for step in SCRIPT["STEPS"]} == {2}


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_the_example_goes_the_whole_way_round(name: str) -> None:
    members: Any = family(name)
    spec = members.parse(members.example)
    assert SCRIPT["runs"](members, spec, [0]) == ""
    assert SCRIPT["neighbours"](members, spec, [0]) == ""
