"""Whatever bytes are flipped, cut or put in: a checkpoint is read or refused with an error meant for the user."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnn_calc.core.errors import RnnCalcError
from rnn_calc.files.checkpoints.numpy_files import open_npy_folder, open_npz
from rnn_calc.files.checkpoints.safetensors import open_safetensors, write_safetensors
from rnn_calc.files.checkpoints.tensors import Checkpoint
from rnn_calc.files.checkpoints.torch_zip import open_torch
from tests.files.checkpoints.archives import DATA, REBUILD, STORAGE, TENSOR, pickled, state_dict, trap, zip_of

ARRAYS = {"w": np.arange(6.0).reshape(2, 3), "f": np.asfortranarray(np.ones((2, 3))), "b": np.ones(3)}


def saved(save: Callable[..., None], *arguments: object, **named: object) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *arguments, **named)
    return buffer.getvalue()


PICKLE = state_dict(w=TENSOR, evil=trap(Path("never")), args=b"cargparse\nNamespace\n)\x81}b")
TORCH = {"m/data.pkl": PICKLE, "m/byteorder": b"little", "m/data/0": DATA}
SEEDS: dict[str, tuple[bytes, Callable[[str], Checkpoint]]] = {
    "m.safetensors": (b"".join(write_safetensors(ARRAYS, {"a": "b"})), open_safetensors),
    "m.npz": (saved(np.savez, **ARRAYS), open_npz),
    "packed.npz": (saved(np.savez_compressed, **ARRAYS), open_npz),
    "w.npy": (saved(np.save, ARRAYS["w"]), lambda path: open_npy_folder(str(Path(path).parent))),
    "m.pt": (zip_of(TORCH), open_torch),
    "packed.pt": (zip_of(TORCH, zipfile.ZIP_DEFLATED), open_torch),
}
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 10**6), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("cut"), st.integers(0, 10**6), st.integers(1, 64).map(bytes)),
        st.tuples(st.just("insert"), st.integers(0, 10**6), st.binary(min_size=1, max_size=8)),
    ),
    min_size=1,
    max_size=4,
)


def apply(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, where, new in changes:
        place = where % (len(content) + 1)
        rest = place if kind == "insert" else place + len(new)
        content = content[:place] + (b"" if kind == "cut" else new) + content[rest:]
    return content


def read_all(path: str, open_it: Callable[[str], Checkpoint]) -> None:
    with contextlib.suppress(RnnCalcError):
        checkpoint = open_it(path)
        for name, info in checkpoint.tensors.items():
            with contextlib.suppress(RnnCalcError):
                array = checkpoint.read(name)
                assert array.shape == info.shape
                assert array.dtype == np.float64
                assert array.flags.c_contiguous


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_a_changed_file_is_read_or_refused(tmp_path: Path, name: str, changes: list[tuple[str, int, bytes]]) -> None:
    content, open_it = SEEDS[name]
    (tmp_path / name).write_bytes(apply(content, changes))
    read_all(str(tmp_path / name), open_it)
    assert not Path("never").exists()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_a_changed_pickle_is_read_or_refused(tmp_path: Path, changes: list[tuple[str, int, bytes]]) -> None:
    (tmp_path / "m.pt").write_bytes(zip_of({**TORCH, "m/data.pkl": apply(PICKLE, changes)}))
    read_all(str(tmp_path / "m.pt"), open_torch)
    assert not Path("never").exists()


# What a pickle is made of, one opcode or a few: any order of them is a program for the interpreter.
OPCODES = [bytes([code]) for code in b"()]}NtlduesabR0120Q" + bytes([*range(0x81, 0x88), *range(0x8F, 0x95)])]
OPCODES += [b"K\x01", b"q\0", b"h\0", b"J\xff\xff\xff\xff", b"X\x01\0\0\0k", b"C\x01k", TENSOR, STORAGE, REBUILD]
OPCODES += [b"ctorch._tensor\n_rebuild_from_type_v2\n", b"ctorch._utils\n_rebuild_tensor_v3\n", b"ctorch\nTensor\n"]
OPCODES += [
    b"ccollections\nOrderedDict\n",
    b"cbuiltins\nset\n",
    b"ctorch\nSize\n",
    b"ctorch\nfloat32\n",
    b"cos\nsystem\n",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(opcodes=st.lists(st.sampled_from(OPCODES), max_size=25))
def test_any_order_of_opcodes_is_read_or_refused(tmp_path: Path, opcodes: list[bytes]) -> None:
    (tmp_path / "m.pt").write_bytes(zip_of({**TORCH, "m/data.pkl": pickled(TENSOR + b"q\0" + b"".join(opcodes))}))
    read_all(str(tmp_path / "m.pt"), open_torch)


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_themselves_are_read(tmp_path: Path, name: str) -> None:
    content, open_it = SEEDS[name]
    (tmp_path / name).write_bytes(content)
    checkpoint = open_it(str(tmp_path / name))
    np.testing.assert_array_equal(checkpoint.read("w"), ARRAYS["w"])
