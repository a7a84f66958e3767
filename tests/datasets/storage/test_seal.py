"""A sealed file opens as HDF5 anywhere, and any change to its bytes is found."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.episodes import EpisodeWriter
from datasets.errors import DamagedDataError
from datasets.storage.seal import SEAL_SIZE, require_intact, seal
from tests.datasets.synthetic import make_episode, make_meta


def hdf5(**options) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w", **options) as file:
        file["numbers"] = np.arange(50)
    return content.getvalue()


def sealed_hdf5():
    file = bytearray(hdf5(userblock_size=SEAL_SIZE))
    seal(file)
    return bytes(file)


def test_episodes_are_sealed_and_read_as_ever(tmp_path):
    meta = make_meta(size=8)
    path = EpisodeWriter(tmp_path, meta).write(3, make_episode(meta, 3))
    assert require_intact(path)
    with h5py.File(path) as file:
        assert file.userblock_size == SEAL_SIZE
        assert file.attrs["num_samples"] == len(file["actions"])


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_any_changed_byte_and_any_truncation_is_found(tmp_path, data):
    sealed = sealed_hdf5()
    position = data.draw(st.integers(0, len(sealed) - 1))
    flipped = bytearray(sealed)
    flipped[position] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), sealed[:position], sealed + b"\0"):
        (tmp_path / "file.hdf5").write_bytes(damaged)
        with pytest.raises(DamagedDataError, match=r"file\.hdf5"):
            require_intact(tmp_path / "file.hdf5")


def test_a_file_without_a_seal_is_recognized(tmp_path):
    path = tmp_path / "file.hdf5"
    path.write_bytes(hdf5())
    assert not require_intact(path)
    with pytest.raises(ValueError, match="user block of"):
        seal(bytearray(hdf5()))


def test_an_edited_file_no_longer_fits_its_seal(tmp_path):
    path = tmp_path / "file.hdf5"
    path.write_bytes(sealed_hdf5())
    with h5py.File(path, "a") as file:
        file["numbers"][0] = 7
    with pytest.raises(DamagedDataError):
        require_intact(path)
