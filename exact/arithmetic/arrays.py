"""Names of the arrays that codes, indices and keys are kept in."""

from __future__ import annotations

from typing import Any

import numpy as np

BitArray = np.ndarray[Any, np.dtype[np.bool_]]


ByteArray = np.ndarray[Any, np.dtype[np.uint8]]


KeyArray = np.ndarray[Any, np.dtype[np.bytes_]]


# of any width: what is kept by the million is as narrow as its numbers allow
IndexArray = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]


WordArray = np.ndarray[Any, np.dtype[np.uint64]]
