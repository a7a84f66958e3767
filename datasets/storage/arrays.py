"""Arrays of an HDF5 file, read only when the file itself holds all their values.

A header of a few bytes can declare an array of any size. HDF5 fills parts that were never written
with zeros, and reads an array out of any other file that the header names.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import h5py
import numpy as np

from datasets.errors import DamagedDataError, FormatError, OutsideFolderError
from datasets.storage.inside import REMEDY


def read_array(group: h5py.Group, name: str) -> np.ndarray:
    """Reads a whole array that lies in the group's own file.

    Raises:
        OutsideFolderError: When the values lie in other files.
        FormatError: When the name is not that of an array.
        DamagedDataError: When the file does not hold all values that the array declares.
        KeyError: When the group has nothing of that name.
    """
    return np.asarray(own_array(group[name])[()])


def own_array(array: Any) -> h5py.Dataset:
    """Returns an array after checking that its own file holds all its values.

    Raises:
        OutsideFolderError: When the values lie in other files.
        FormatError: When it is no array.
        DamagedDataError: When the file does not hold all values that the array declares.
    """
    if not isinstance(array, h5py.Dataset) or array.shape is None:
        raise FormatError(
            f"{array.file.filename}: {array.name} must be an array of numbers, but holds none. "
            "Remove it from the file."
        )
    if array.is_virtual or array.external:
        raise OutsideFolderError(
            f"{array.file.filename} keeps {array.name} in other files, which is not read. {REMEDY}"
        )
    declared, held = _sizes(array)
    if held < declared:
        raise DamagedDataError(
            f"{array.file.filename} declares {array.name} with shape {array.shape}, but holds "
            f"{held} of its {declared} {'bytes' if array.chunks is None else 'chunks'}. "
            "Copy or make the file again."
        )
    return array


def _sizes(array: h5py.Dataset) -> tuple[int, int]:
    """The size that an array declares and the size that the file holds, in chunks or bytes.

    Every chunk takes at least a few bytes, and deflate compresses to a thousandth at best, so an
    array whose chunks are all there takes memory in proportion to its file.
    """
    shape, chunks = array.shape, array.chunks
    if chunks is None:
        return prod(shape) * array.id.get_type().get_size(), array.id.get_storage_size()
    declared = prod(ceil(size / part) for size, part in zip(shape, chunks, strict=True))
    return declared, array.id.get_num_chunks()
