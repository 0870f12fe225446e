"""Records what NumPy writes, for the tests of .npy and .npz files. Needs Python 3 and NumPy."""

import base64
import io
import json
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]
cases = []


def encoded(write):
    stream = io.BytesIO()
    write(stream)
    return base64.b64encode(stream.getvalue()).decode()


def record(name, array, version=(1, 0)):
    """A file, with its elements in row-major order, as texts."""
    cases.append(
        {
            "name": name,
            "code": array.dtype.newbyteorder("=").str.lstrip("<|"),
            "shape": list(array.shape),
            "values": [str(value) for value in array.astype(array.dtype.newbyteorder("=")).flatten().tolist()],
            # what NumPy itself would write for it, and so what serializeNpy is held to
            "canonical": version == (1, 0) and array.dtype.byteorder != ">" and array.flags.c_contiguous,
            "bytes": encoded(lambda stream: npy.write_array(stream, array, version=version)),
        }
    )


for code in TYPES:
    values = np.array([[0, 1, 2], [100, 3, 1]])
    if code[0] in "fi":
        values = values - 1
    record(code, values.astype(code))
record("big-endian f8", np.array([1.5, -2.25, 1e300], dtype=">f8"))
record("big-endian i2", np.array([1, -2, 300], dtype=">i2"))
record("scalar", np.array(2.5, dtype="f4"))
record("empty", np.zeros((3, 0, 2), dtype="i4"))
record("one axis", np.arange(5, dtype="u2"))
record("Fortran order, 2 axes", np.asfortranarray(np.arange(6, dtype="i4").reshape(2, 3)))
record("Fortran order, 3 axes", np.asfortranarray(np.arange(24, dtype="f4").reshape(2, 3, 4)))
record("Fortran order, big-endian", np.asfortranarray(np.arange(6, dtype=">u4").reshape(3, 2)))
record("version 2", np.arange(4, dtype="f4"), version=(2, 0))
record("version 3", np.arange(4, dtype="f4"), version=(3, 0))
record("special values", np.array([np.nan, np.inf, -np.inf, -0.0], dtype="f4"))

arrays = {"weight": np.arange(12, dtype="f4").reshape(3, 4), "steps": np.array(7), "name/of": np.array([True, False])}
refused = {
    "pickled objects": encoded(lambda stream: np.save(stream, np.array([{}, None]), allow_pickle=True)),
    "texts": encoded(lambda stream: np.save(stream, np.array(["a", "bc"]))),
    "records": encoded(lambda stream: np.save(stream, np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))),
    "complex": encoded(lambda stream: np.save(stream, np.zeros(2, dtype="c8"))),
}
Path(__file__).with_suffix(".json").write_text(
    json.dumps(
        {
            "cases": cases,
            "refused": refused,
            "npz": encoded(lambda stream: np.savez(stream, **arrays)),
            "npzCompressed": encoded(lambda stream: np.savez_compressed(stream, **arrays)),
        },
        indent=0,
    )
)
