"""HDF5 on a disk that becomes full: the file is closed, and the error is the system's."""

import errno
import os

import h5py
import numpy as np
import pytest

from datasets.storage import steady_file
from datasets.storage.steady_file import SteadyFile

NOISE = np.random.default_rng(0).integers(0, 256, (20, 1000))


def write(path, folders: int = 300) -> None:
    with SteadyFile(path) as disk:
        with h5py.File(disk, "w") as file:
            for number in range(folders):
                file.create_dataset(f"{number}/noise", data=NOISE + number % 256, chunks=(1, 1000))
        disk.require_written()


def test_what_is_written_is_what_hdf5_writes_by_itself(tmp_path):
    write(tmp_path / "a.hdf5", folders=30)
    with h5py.File(tmp_path / "a.hdf5") as file:
        for number in range(30):
            assert np.array_equal(file[f"{number}/noise"], NOISE + number % 256)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 1, 5000, 100_000, 5_000_000])
def test_a_full_disk_is_the_systems_error_and_the_file_is_closed(tmp_path, monkeypatch, room):
    real, written = os.pwrite, 0

    def pwrite(descriptor, data, place):
        nonlocal written
        if written + len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written += len(data)
        return real(descriptor, data, place)

    monkeypatch.setattr(steady_file.os, "pwrite", pwrite)
    with pytest.raises(OSError) as raised:
        write(tmp_path / "a.hdf5")
    assert raised.value.errno == errno.ENOSPC
    # A file that HDF5 could not close would stay open until the program ends, and crash it then.
    assert not h5py.h5f.get_obj_ids(types=h5py.h5f.OBJ_FILE)
