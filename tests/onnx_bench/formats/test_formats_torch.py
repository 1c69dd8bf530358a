"""Files of torch.save, read without torch: both layouts, all types, and hostile ones."""

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from torch import Tensor

from onnx_bench.formats import torch_file
from onnx_bench.formats.errors import FormatError
from onnx_bench.formats.plain_pickle import PlainGlobal

KINDS = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32),
    *(torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64),
)
TENSORS: dict[str, Tensor] = {
    **{str(kind): torch.tensor([[1, 0], [3, 2], [1, 1]]).to(kind) for kind in KINDS},
    "transposed": torch.arange(6.0).reshape(2, 3).t(),
    "part": torch.arange(10)[3:8:2],
    "number": torch.tensor(7.5),
    "empty": torch.zeros(0, 3),
}


@pytest.fixture(params=[True, False], ids=["zip", "row"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def save(value: Any) -> Path:
        path = tmp_path / "saved.pth"
        torch.save(value, path, _use_new_zipfile_serialization=request.param)
        return path

    return save


def test_tensors_of_every_type_and_view(saved: Any) -> None:
    found = torch_file.read(saved(TENSORS))
    assert list(found) == list(TENSORS)
    for name, tensor in TENSORS.items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        assert found[name].dtype == expected.dtype, name
        assert found[name].shape == expected.shape
        assert np.array_equal(found[name], expected), name


def test_a_state_dict_and_what_else_is_saved(saved: Any) -> None:
    layer = torch.nn.Linear(3, 2)
    value = {
        "state": layer.state_dict(),
        "parameter": layer.weight,
        "again": [layer.weight, layer.weight],
        "plain": [1, 2.5, None, ("a", {3}), OrderedDict(b=1)],
        "array": np.arange(3),
        "size": torch.Size([1, 2]),
        "type": torch.float32,
    }
    found = torch_file.read(saved(value))
    weight = layer.weight.detach().numpy()
    assert np.array_equal(found["state"]["weight"], weight)
    assert np.array_equal(found["parameter"], weight)
    assert found["again"][0] is found["again"][1]
    assert found["plain"] == [1, 2.5, None, ("a", {3}), {"b": 1}]
    assert found["array"].tolist() == [0, 1, 2]
    assert found["size"] == (1, 2)
    assert found["type"] == PlainGlobal("torch", "float32")


def test_a_file_cut_or_damaged_is_refused_or_read(saved: Any) -> None:
    path = saved({"a": torch.arange(3.0), "b": [1, "x"]})
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(FormatError) as caught:
            torch_file.read(path)
        assert "\n" not in str(caught.value)
    refused = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            torch_file.read(path)
        except FormatError:
            refused += 1
    assert refused > 10


# hostile files


def rebuilt(offset: int, size: tuple[int, ...], stride: tuple[int, ...], count: int = 4) -> bytes:
    """The pickle of a float tensor that views storage "0"."""
    identity = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    )
    identity += b"J" + struct.pack("<i", count) + b"tQ"
    parts = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, size, stride))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + parts + b"\x89}tR."


def archive(path: Path, pickled: bytes, storage: bytes = bytes(16), name: str = "data/0") -> Path:
    with ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", pickled)
        file.writestr(f"a/{name}", storage)
    return path


def test_the_hand_made_archive_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a", rebuilt(0, (2, 2), (2, 1)), np.arange(4, dtype="<f4").tobytes())
    assert torch_file.read(path).tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("offset", "size", "stride", "count"),
    [
        (1, (2, 2), (2, 1), 4),  # one beyond the end
        (0, (2, 2), (1 << 40, 1), 4),
        (-1, (2, 2), (2, 1), 4),
        (0, (2, 2), (-2, 1), 4),
        (0, (1 << 40,), (0,), 4),  # a terabyte of the same number
        (0, (2, 2), (1,), 4),
        (0, (2, 2), (2, 1), 5),  # the storage has fewer bytes
        (0, (2, 2), (2, 1), 1 << 30),
        (0, (0, 1 << 62), (1, 1), 4),
    ],
)
def test_views_beyond_their_storage_are_refused(
    tmp_path: Path, offset: int, size: tuple[int, ...], stride: tuple[int, ...], count: int
) -> None:
    with pytest.raises(FormatError):
        torch_file.read(archive(tmp_path / "a", rebuilt(offset, size, stride, count)))


def test_a_bomb_in_an_archive_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", b"N" * (64 << 20) + b".")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(FormatError, match="larger than 32 MB"):
        torch_file.read(path, limit=32 << 20)


def test_archives_that_are_not_torchs(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "a", "w") as file:
        file.writestr("readme", "")
    with pytest.raises(FormatError, match=r"data\.pkl"):
        torch_file.read(tmp_path / "a")
    with pytest.raises(FormatError, match="no entry 'data/0'"):
        torch_file.read(archive(tmp_path / "b", rebuilt(0, (1,), (1,)), name="elsewhere"))
    (tmp_path / "c").write_bytes(pickle.dumps([1]))
    with pytest.raises(FormatError, match=r"torch\.save"):
        torch_file.read(tmp_path / "c")
    (tmp_path / "d").write_bytes(b"")
    with pytest.raises(FormatError, match="empty"):
        torch_file.read(tmp_path / "d")
