"""The notebook in docs is run as a reader would: every cell, in a kernel of its own. UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import base64
import io
import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from tests.show.test_html import Page

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.ipynb"
# Seconds for one cell; the whole takes some three.
_LONGEST = 120
# Of a picture that is stored: enough for lines and letters.
_COLOURS = 16

Outputs = list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> list[Outputs]:
    """The outputs of each code cell, run in a folder of its own, from where nothing is written elsewhere."""
    folder = tmp_path_factory.mktemp("notebook")
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "HOME")
    with mock.patch.dict(os.environ, {name: str(folder / name) for name in places}):
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
        client = NotebookClient(
            notebook, timeout=_LONGEST, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    if os.environ.get("UPDATE_GOLDEN"):
        _store(deepcopy(notebook))
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _store(notebook: dict[str, Any]) -> None:
    """Write the notebook with its outputs, its pictures in few colours, and without what every run changes."""
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        for output in cell.get("outputs", ()):
            if png := output.get("data", {}).get("image/png"):
                small = io.BytesIO()
                Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(_COLOURS).save(
                    small, "png", optimize=True
                )
                output["data"]["image/png"] = base64.b64encode(small.getvalue()).decode("ascii")
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def stored() -> list[dict[str, Any]]:
    return [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def tables(outputs: Outputs) -> list[list[list[str]]]:
    return [table for output in outputs for table in Page(_text(output, "text/html")).tables]


def _text(output: dict[str, Any], kind: str) -> str:
    return "".join(output.get("data", {}).get(kind, ""))


def test_every_cell_runs_and_shows_something(run: list[Outputs]) -> None:
    assert len(run) >= 5
    for outputs in run:
        assert [output["output_type"] for output in outputs] == ["execute_result"]


def test_the_count_is_a_table_with_the_total_worked_out_by_hand(run: list[Outputs]) -> None:
    # 3·4 + 3·3 + 3 + 2·3 + 2.
    assert tables(run[0])[0][-1] == ["total", "", "", "", "32"]


def test_the_shapes_are_those_of_the_tutorial(run: list[Outputs]) -> None:
    shapes = {row[0]: row[1] for table in tables(run[1]) for row in table}
    assert (shapes["W_xh"], shapes["W_hh"], shapes["W_hy"]) == ("(3, 4)", "(3, 3)", "(2, 3)")


def test_the_states_are_those_worked_out_by_hand(run: list[Outputs]) -> None:
    rows = [row for table in tables(run[2]) for row in table]
    # tanh(0.3·0.5 + 0.7·0.2 + 0.1), tanh(0.4·0.5 + 0.2·0.2 + 0.2), and so on.
    for row in (["h_1", "0.3714", "0.4136"], ["h_2", "0.7633", "0.6451"], ["h_3", "0.7393", "0.8430"]):
        assert row in rows


def test_the_gradient_is_that_of_difference_quotients(run: list[Outputs]) -> None:
    W_xh, W_hh, b_h = np.array([[0.3, 0.7], [0.4, 0.2]]), np.array([[0.1, 0.5], [0.6, 0.3]]), np.array([0.1, 0.2])

    def loss(W: np.ndarray[Any, Any]) -> float:
        h = np.zeros(2)
        for x in ([0.5, 0.2], [0.1, 0.9], [0.8, 0.3]):
            h = np.tanh(W_xh @ x + W @ h + b_h)
        return float(h.sum())

    unit, eye = 1e-6, np.eye(4).reshape(4, 2, 2)
    expected = np.array([(loss(W_hh + unit * e) - loss(W_hh - unit * e)) / (2 * unit) for e in eye]).reshape(2, 2)
    printed = _text(run[3][0], "text/plain").removeprefix("array(").removesuffix(")")
    # It is rounded to four digits.
    assert np.abs(np.array(json.loads(printed)) - expected).max() < 0.6e-4


def test_plot_is_a_picture_without_being_asked_for_one(run: list[Outputs]) -> None:
    assert not any("%matplotlib" in "".join(cell["source"]) for cell in stored())
    (output,) = run[-1]
    image = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"])))
    assert image.size == (1280, 720)
    assert len(image.convert("RGB").getcolors(maxcolors=2**20) or ()) > 20
    assert output["metadata"]["image/png"] == {"width": 640, "height": 360}


def test_what_is_stored_is_what_was_shown(run: list[Outputs]) -> None:
    assert NOTEBOOK.stat().st_size < 60_000
    for cell, outputs in zip(stored(), run, strict=True):
        assert tables(cell["outputs"]) == tables(outputs)
        assert [set(output["data"]) for output in cell["outputs"]] == [set(output["data"]) for output in outputs]
