"""`rnncalc ui --web` in a real browser: what is typed changes what is seen, and nothing leaves the machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from matplotlib.image import imread

from tests.ui.browser import CHROMIUM, Browser, Page, wait_until
from tests.ui.serving import PROC, Served, alive

# Set where a browser has been installed for these tests: then they must not be passed over in silence.
_REQUIRED = "RNNCALC_BROWSER_REQUIRED" in os.environ

pytestmark = [
    pytest.mark.skipif(not _REQUIRED and CHROMIUM is None, reason="there is no chromium"),
    pytest.mark.skipif(not _REQUIRED and not (PROC / "self/stat").exists(), reason="there is no /proc to look into"),
]
if not _REQUIRED:
    pytest.importorskip("textual_serve")


def shows_total(number: str) -> re.Pattern[str]:
    return re.compile(rf"\btotal +{number} *$", re.MULTILINE)


def pixels(page: Page, file: Path) -> np.ndarray:
    """The picture of what is right of the form, in which the cursor blinks."""
    page.screenshot(file)
    picture = imread(file)
    return picture[:, picture.shape[1] // 3 :, :3]


def test_the_total_follows_d_h_and_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    with Served("--port", "0", "--tab", "params") as served, Browser(tmp_path / "profile") as browser:
        page = Page(browser, served.url)
        # 3·4 + 3² + 3 + 2·3 + 2
        page.wait_for(lambda text: bool(shows_total("32").search(text)))
        before = pixels(page, tmp_path / "before.png")
        assert len(np.unique(before.reshape(-1, 3), axis=0)) > 10

        # d_h has the focus, with no click before: 64·4 + 64² + 64 + 2·64 + 2
        page.type("64")
        text = page.wait_for(lambda text: bool(shows_total("4,546").search(text)) and "params --d-h 64 " in text)
        wait_until(lambda: bool((pixels(page, tmp_path / "after.png") != before).any()), page.text)

        # The mouse: + after d_h. 65·4 + 65² + 65 + 2·65 + 2
        row = next(number for number, line in enumerate(text.splitlines()) if line.startswith(" d_h "))
        page.click(text.splitlines()[row].index("+"), row)
        page.wait_for(lambda text: bool(shows_total("4,682").search(text)))

        requested = page.requested()
        assert {urlsplit(url).netloc for url in requested} == {urlsplit(served.url).netloc}
        assert [url for url in requested if url.startswith("ws:")]
        assert [url for url in requested if url.endswith("RobotoMono-VariableFont_wght.ttf")]
        assert page.evaluate("Array.from(document.fonts).map(font => font.status)") == ["loaded", "loaded"]
        assert page.complaints() == []


def test_programs_end_with_their_tab_and_with_ctrl_c(tmp_path: Path) -> None:
    with Served("--port", "0", "--tab", "params") as served, Browser(tmp_path / "profile") as browser:
        page = Page(browser, served.url)
        page.wait_for(lambda text: "total" in text)
        assert served.programs()
        page.close()
        served.wait_for_programs(some=False)

        page = Page(browser, served.url)
        page.wait_for(lambda text: "total" in text)
        programs = served.programs()
        assert served.stop() == (0, b"", b"")
        # The worker of one that had to be killed sees its pipe closed, and ends by itself.
        wait_until(lambda: not alive(programs), lambda: alive(programs))
        shown = "getComputedStyle(document.querySelector('.ended')).display != 'none'"
        wait_until(lambda: page.evaluate(shown) is True, page.text)
