"""The README's picture of the screen is what the screen looks like; UPDATE_GOLDEN=1 draws it anew."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.run_options import ScalingOptions, WeightOptions
from rnn_calc.ui.session import Session
from tests.ui.driving import opening

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs" / "ui.svg"
WORDS = re.compile(r">([^<]*[A-Za-z]{3,}[^<]*)</text>")


SESSION = Session(NetworkOptions(d_h="16"), WeightOptions(init="orthogonal"), scaling=ScalingOptions("1.20"))


async def drawn(session: Session, tab: str, width: int, height: int) -> str:
    """The screen as it opens, once its keys stand there too."""
    async with opening(session, tab=tab, size=(width, height)) as screen:
        await screen.until(lambda: "copy&#160;command" in screen.app.export_screenshot(), "the keys")
        return screen.app.export_screenshot()


def test_the_picture_of_the_screen_is_what_the_command_beside_it_opens() -> None:
    (line,) = re.findall(r"^\(`(rnncalc ui .*)`\)$", (ROOT / "README.md").read_text("utf-8"), re.M)
    tab = "gradient-decay"
    assert line == SESSION.command_line(tab).replace(f"rnncalc {tab}", f"rnncalc ui --tab {tab}")
    picture = asyncio.run(drawn(SESSION, tab, 100, 30))
    assert "url(http" not in picture
    if os.environ.get("UPDATE_GOLDEN"):
        PICTURE.write_text(picture, "utf-8")
    assert WORDS.findall(picture) == WORDS.findall(PICTURE.read_text("utf-8"))
