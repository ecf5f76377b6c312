"""The screen under hostile hands: heavy work, huge and odd texts, keys that come too soon, names that steer terminals."""

from __future__ import annotations

from tests.ui.driving import opening, played


def test_work_that_has_gone_on_for_long_is_dropped_for_the_first_change() -> None:
    async def scene() -> None:
        async with opening(tab="bptt") as screen:
            screen.app.live.put("cell", "lstm")
            screen.app.live.put("d_h", "512")
            screen.app.live.put("steps", "20000")
            await screen.until(lambda: screen.app.calculator.busy_for > 0.5, "some work")
            # One change alone, which no later one helps along: the work takes minutes.
            screen.app.live.put("d_h", "4")
            before = screen.app.calculator._working
            await screen.until(lambda: screen.app.calculator._working != before, "the end of it")
            screen.app.live.put("steps", "3")
            await screen.settle()
            assert screen.command == "rnncalc bptt --d-h 4 --cell lstm --steps 3"

    played(scene())
