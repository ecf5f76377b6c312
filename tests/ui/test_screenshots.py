"""The screen as it is drawn, compared with golden pictures; UPDATE_GOLDEN=1 draws them anew.

A comparison of our own: a picture is taken apart into its runs of text, each with its place and its style, so that the
names that Textual invents for clips and classes do not count, and a difference is told in words.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.run_options import ScalingOptions, SequenceOptions, WeightOptions
from rnn_calc.ui.fields import QUIZ, TITLES
from rnn_calc.ui.session import Session
from tests.ui.driving import Screen, opening, played

GOLDEN = Path(__file__).parent / "golden"
SIZES = {"80x24": (80, 24), "200x60": (200, 60)}
# Weights of a worked example, or an identity scaled: no digit of them is BLAS's to choose.
SESSIONS = {
    "shapes": Session(NetworkOptions(cell="lstm", d_h="6")),
    "params": Session(NetworkOptions(cell="gru", layers=2)),
    "trace": Session(NetworkOptions(example="tiny")),
    "gradient-decay": Session(
        NetworkOptions(d_h="2", activation="identity"),
        WeightOptions(init="identity"),
        ScalingOptions("0.5"),
        SequenceOptions(steps=20),
    ),
    "bptt": Session(NetworkOptions(example="tiny")),
    "cost": Session(NetworkOptions(cell="lstm", d_h="64")),
    QUIZ: Session(),
}
_RULE = re.compile(r"\.\S*?-(r\d+) \{ *(.*?) *\}")
_RECT = re.compile(r'<rect fill="(#\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"')
_TEXT = re.compile(r'<text class="\S*?-(r\d+)" x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+"[^>]*>(.*?)</text>')
# Of a cell in these pictures, in their units.
_CELL, _LINE = 12.2, 24.4


def described(picture: str) -> str:
    """A line for each run of letters, and for each of colour behind them: its place, its look, itself."""
    styles = {name: rules.replace("fill: ", "").rstrip(";") for name, rules in _RULE.findall(picture)}
    grounds: list[tuple[float, float, float, str]] = []
    for y, x, width, color in sorted(
        (float(y), float(x), float(width), color) for color, x, y, width in _RECT.findall(picture)
    ):
        last = grounds[-1] if grounds else (0.0, 0.0, 0.0, "")
        # How many pieces a colour is drawn in cannot be seen.
        if (last[0], last[3]) == (y, color) and abs(last[1] + last[2] - x) < _CELL / 2:
            grounds[-1] = (y, last[1], last[2] + width, color)
        else:
            grounds.append((y, x, width, color))
    lines = [(y, x, f"{round(width / _CELL)} cells", color) for y, x, width, color in grounds]
    for style, x, y, text in _TEXT.findall(picture):
        shown = text.replace("&#160;", " ")
        if shown.strip():
            lines.append((float(y), float(x), shown.rstrip(), styles[style]))
    return "".join(f"{y / _LINE:.0f} {x / _CELL:.0f} {look}: {what}\n" for y, x, what, look in sorted(lines))


async def settled_quiz(screen: Screen) -> None:
    rows = screen.app.quiz.query_one("Form").rows  # type: ignore[attr-defined]
    rows["quiz_seed"].entry.value = "7"
    await screen.settle()
    await screen.until(lambda: screen.command == "rnncalc quiz --seed 7", "a quiz of that seed")


async def pictures_of(tab: str, *sizes: str, wrong: bool = False) -> dict[str, str]:
    """What is drawn in windows of these sizes, the first of which it is opened in."""
    found = {}
    async with opening(SESSIONS[tab], tab=tab, size=SIZES[sizes[0]]) as screen:
        if tab == QUIZ:
            await settled_quiz(screen)
        if wrong:
            await screen.put("d_in", "x")
        # A cursor that blinks is drawn or not.
        screen.app.set_focus(None)
        for size in sizes:
            await screen.pilot.resize_terminal(*SIZES[size])
            await screen.settle()
            found[size] = screen.app.export_screenshot(title="rnncalc")
    return found


def compare(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert text.splitlines() == path.read_text("utf-8").splitlines()


@pytest.mark.parametrize("tab", TITLES)
def test_a_tab_looks_as_it_did(tab: str) -> None:
    async def scene() -> None:
        for size, picture in (await pictures_of(tab, *SIZES)).items():
            compare(f"{tab}-{size}", described(picture))

    played(scene())


@pytest.mark.parametrize("look", ["light", "plain"])
def test_a_wrong_field_looks_as_it_did_on_light_and_without_colours(look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORFGBG", "0;15" if look == "light" else "15;0")
    if look == "plain":
        monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        pictures = await pictures_of("shapes", "80x24", wrong=True)
        compare(f"wrong-{look}-80x24", described(pictures["80x24"]))

    played(scene())


def test_golden_pictures_are_small_and_none_is_left_over() -> None:
    names = {f"{tab}-{size}" for tab in TITLES for size in SIZES} | {"wrong-light-80x24", "wrong-plain-80x24"}
    sizes = {path.stem: path.stat().st_size for path in GOLDEN.glob("*")}
    assert set(sizes) == names
    assert max(sizes.values()) < 60_000
    assert sum(sizes.values()) < 1_000_000


def test_a_picture_loads_nothing_and_what_is_compared_says_what_stands_where() -> None:
    async def scene() -> None:
        picture = (await pictures_of("shapes", "80x24"))["80x24"]
        assert "http" not in picture.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
        lines = described(picture).splitlines()
        (title,) = [line for line in lines if line.endswith(": One step: input, states, output")]
        assert "bold" in title
        changed = described(picture.replace("One&#160;step", "One&#160;stop")).splitlines()
        assert len(set(changed) ^ set(lines)) == 2

    played(scene())
