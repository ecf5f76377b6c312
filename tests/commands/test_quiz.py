from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rnn_calc.quiz.quiz import TOPICS
from tests.commandline import RNNCALC, Result, calc, environment, process, refused


def questions(*args: str) -> list[dict[str, Any]]:
    result = calc("quiz", "--json", *args)
    assert result.status == 0, result.err
    listed: list[dict[str, Any]] = json.loads(result.out)["questions"]
    return listed


def answers(*args: str) -> list[str]:
    return [question["expected"] for question in questions(*args)]


def answered(lines: list[str], *args: str) -> Result:
    return calc("quiz", *args, stdin="".join(f"{line}\n" for line in lines).encode())


SHAPES = ("--topic", "shape", "--questions", "3", "--seed", "5")


# In a pipe.


def test_right_answers_from_a_pipe_are_exit_0() -> None:
    args = ("--questions", str(len(TOPICS)), "--seed", "11")
    result = answered(answers(*args), *args)
    assert (result.status, result.err) == (0, "")
    assert result.out.count("✓ Right.") == len(TOPICS)
    assert "\n✗" not in result.out


def test_each_question_is_followed_by_its_verdict_and_derivation() -> None:
    asked = questions(*SHAPES)
    out = answered(["97,89", *answers(*SHAPES)[1:]], *SHAPES).out
    place = 0
    for number, question in enumerate(asked, 1):
        for text in (f"Question {number} of 3", question["prompt"], "> ", "✗" if number == 1 else "✓"):
            place = out.index(text, place)
        place = out.index(question["derivation"], place)
    assert f"The right answer: {asked[0]['expected']}" in out


def test_one_wrong_answer_is_exit_1() -> None:
    result = answered(["97,89", *answers(*SHAPES)[1:]], *SHAPES)
    assert (result.status, result.err) == (1, "rnncalc: 1 of 3 answers is wrong.\n")
    assert re.search(r"^shape +2 +3$", result.out, re.MULTILINE)


def test_what_cannot_be_read_in_a_pipe_is_wrong_and_takes_one_line() -> None:
    right = answers(*SHAPES)
    result = answered([right[0], "three by four", right[2]], *SHAPES)
    assert (result.status, result.err) == (1, "rnncalc: 1 of 3 answers is wrong.\n")
    assert result.out.count("That cannot be read.") == 1


@pytest.mark.parametrize("nothing", ["", "skip", " Skip "])
def test_an_answer_passed_over_is_missing(nothing: str) -> None:
    right = answers(*SHAPES)
    result = answered([nothing, *right[1:]], *SHAPES)
    assert (result.status, result.err) == (1, "rnncalc: 1 of 3 answers is missing.\n")
    assert f"The right answer: {right[0]}" in result.out


@pytest.mark.parametrize("ending", [[], ["q"], ["quit", "1,2", "1,2"]])
def test_too_few_answers_are_missing(ending: list[str]) -> None:
    result = answered(["97,89", *ending], *SHAPES)
    assert result.status == 1
    assert "rnncalc: 1 of 3 answers is wrong and 2 are missing.\n" in result.err
    assert "2 of 3 questions without an answer." in result.out


def test_lines_without_a_question_are_told_and_change_no_exit_status() -> None:
    right = answers(*SHAPES)
    result = answered([*right, "3,4"], *SHAPES)
    assert result.status == 0
    assert result.err == "rnncalc: there are more lines than questions; those after line 3 were not read.\n"
    assert answered([*right, "", ""], *SHAPES).err == ""


def test_the_last_answer_needs_no_line_end_and_windows_line_ends_are_line_ends() -> None:
    text = "\r\n".join(answers(*SHAPES)).encode()
    assert calc("quiz", *SHAPES, stdin=b"\xef\xbb\xbf" + text).status == 0


def test_a_process_can_answer_what_it_has_read() -> None:
    right = answers(*SHAPES)
    with subprocess.Popen(
        [RNNCALC, "quiz", *SHAPES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        for number, answer in enumerate(right, 1):
            while f"Question {number} of 3" not in asking.stdout.readline().decode():
                pass
            asking.stdin.write(f"{answer}\n".encode())
            asking.stdin.flush()
        # Without the end of its input, too.
        assert asking.wait(timeout=30) == 0


def test_without_any_line_the_questions_are_shown() -> None:
    result = calc("quiz", *SHAPES)
    assert (result.status, result.err) == (0, "")
    for question in questions(*SHAPES):
        assert question["prompt"] in result.out
        assert question["derivation"] not in result.out
    assert result.out.endswith("Again: rnncalc quiz --seed 5 --topic shape --questions 3\n")


def test_a_closed_stdin_shows_the_questions_too() -> None:
    done = subprocess.run(
        f"{RNNCALC} quiz {' '.join(SHAPES)} <&-", shell=True, capture_output=True, env=environment(), check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == calc("quiz", *SHAPES).out.removeprefix("\n")


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe3,4",
        b"\x1b[31m3,4\x1b]0;title\x07",
        b"\x00",
        "\u202e4,3".encode(),
        b"9" * 100_000,
        b"(" * 5000,
        b"1e999",
    ],
    ids=["no UTF-8", "escapes", "NUL", "bidi", "long", "brackets", "huge"],
)
@pytest.mark.parametrize("topic", TOPICS)
def test_hostile_answers_are_wrong_and_never_echoed_raw(topic: str, line: bytes) -> None:
    result = calc("quiz", "--topic", topic, "--questions", "1", "--seed", "2", stdin=line + b"\n")
    assert (result.status, result.err) == (1, "rnncalc: 1 of 1 answer is wrong.\n")
    assert all(char.isprintable() or char == "\n" for char in result.out)
    assert len(result.out) < 10_000


def test_a_stdin_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with (tmp_path / "written").open("w") as stream:
        done = subprocess.run(
            [RNNCALC, "quiz"], stdin=stream, capture_output=True, env=environment(), check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, b"rnncalc: stdin cannot be read: bad file descriptor.\n")


def test_a_reader_who_has_seen_enough_ends_it_quietly() -> None:
    done = subprocess.run(
        f"yes 1 | {RNNCALC} quiz --questions 200 --topic count | head -n 1",
        shell=True, capture_output=True, env=environment(), check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == b""


def test_ascii_is_enough() -> None:
    done = process(
        "quiz", "--questions", "10", "--seed", "1", stdin=b"x\n" * 10, PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    assert done.returncode == 1
    assert done.stdout.isascii()
    assert b"NO That cannot be read." in done.stdout


# The same and another one.


def test_the_same_seed_is_the_same_quiz_and_another_one_is_not() -> None:
    assert calc("quiz", "--seed", "7").out == calc("quiz", "--seed", "7").out
    assert calc("quiz", "--seed", "7").out != calc("quiz", "--seed", "8").out


@pytest.mark.parametrize(
    "args", [(), ("--topic", "norm,step", "--level", "2", "--questions", "2")], ids=["all", "some"]
)
def test_a_quiz_without_a_seed_says_how_to_have_it_again(args: tuple[str, ...]) -> None:
    first = calc("quiz", *args).out
    again = re.search(r"^Again: rnncalc (.*)$", first, re.MULTILINE)
    assert again is not None
    assert calc(*again[1].split()).out == first
    assert calc("quiz", *args).out != first


def test_topics_are_named_with_commas_or_one_by_one() -> None:
    both = questions("--seed", "1", "--topic", "norm, step")
    assert both == questions("--seed", "1", "--topic", "step", "--topic", "norm")
    assert {question["topic"] for question in both} == {"norm", "step"}


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_level_is_that_of_every_question(level: int) -> None:
    assert {question["level"] for question in questions("--level", str(level))} == {level}


def test_json_has_all_of_a_question_and_asks_nothing() -> None:
    result = calc("quiz", "--seed", "3", "--questions", "10", "-f", "json", stdin=b"1\n")
    content = json.loads(result.out)
    assert (content["command"], content["seed"], content["level"], content["topics"]) == ("quiz", 3, None, list(TOPICS))
    assert {question["topic"] for question in content["questions"]} == set(TOPICS)
    for number, question in enumerate(content["questions"], 1):
        assert question["number"] == number
        assert all(question[name] for name in ("prompt", "hint", "expected", "derivation"))


@pytest.mark.parametrize("name", ["markdown", "latex", "table"])
def test_questions_alone_can_be_had_in_other_formats(name: str, tmp_path: Path) -> None:
    out = tmp_path / "quiz.txt"
    assert calc("quiz", *SHAPES, "-f", name, "-O", str(out), stdin=b"1\n").status == 0
    text = out.read_text(encoding="utf-8")
    assert "Question 3 of 3" in text
    assert "Right" not in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--topic", "shaep"), "There is no topic 'shaep'; it must be shape, count,"),
        (("--topic", "truncate"), "Did you mean truncation?"),
        (("--topic", "shape,,count"), "There is no topic ''"),
        (("--level", "4"), "There is no level 4; it must be 1, 2 or 3."),
        (("--questions", "0"), "A quiz has 1 to 10,000 questions, not 0."),
        (("--questions", "-3"), "not -3."),
        (("--seed", "-1"), "A seed is 0 or more, not -1."),
        (("--format", "csv"), "csv cannot hold; take table, json, markdown or latex."),
        (("--output", "quiz.npz"), "npz cannot hold; take table, json, markdown or latex."),
        (("--precision", "3"), "--precision must be at least 4 here"),
        (("--check",), "leave --check out"),
        (("--worksheet", "w.pdf"), "end it in .md, .tex or .html."),
        (("--worksheet", "w.md", "--json"), "end that in .md, .tex or .html."),
    ],
)  # fmt: skip
def test_a_wrong_option_is_exit_2_and_says_what_is_right(
    args: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused("quiz", *args, status=2)
    assert not list(tmp_path.iterdir())


# On paper.


class _Page(HTMLParser):
    """The text of a page, and what it would load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.loads = "", [tag for tag in ("<script", "src=", "href=", "url(") if tag in page]
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(params=["md", "tex", "html"])
def worksheet(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    path = tmp_path / f"week 3.{request.param}"
    result = calc("quiz", "--seed", "4", "--worksheet", str(path))
    assert result.status == 0, result.err
    assert result.out == "Again: rnncalc quiz --seed 4\n"
    key = path.with_stem("week 3-answers")
    assert result.err == f"rnncalc: 10 questions written to '{path}', the answers to '{key}'.\n"
    assert {file.name for file in tmp_path.iterdir()} == {path.name, key.name}
    return path, key


def test_a_worksheet_has_the_questions_and_no_answer_and_the_key_has_them_all(worksheet: tuple[Path, Path]) -> None:
    sheet, key = (path.read_text(encoding="utf-8") for path in worksheet)
    if worksheet[0].suffix == ".html":
        pages = _Page(sheet), _Page(key)
        assert not pages[0].loads + pages[1].loads
        sheet, key = pages[0].text, pages[1].text
    for number, question in enumerate(questions("--seed", "4"), 1):
        assert f"Question {number} ({question['topic']}, level {question['level']})" in sheet
        assert f"Question {number} ({question['topic']})" in key
        # Marks differ from format to format; letters and digits do not.
        assert _bare(question["expected"]) in _bare(key)
    assert "Again" not in sheet
    assert "rnncalc quiz --seed 4" in key.replace("-{}-", "--")
    for lines in (question["derivation"].splitlines() for question in questions("--seed", "4")):
        assert all(_bare(line) not in _bare(sheet) for line in lines if len(_bare(line)) > 60)


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\\[a-z]+(\{\})?|&amp;", "", text.lower()))


@pytest.mark.parametrize("seed", ["4", "40"])
def test_a_latex_worksheet_and_its_key_compile(seed: str, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    assert calc("quiz", "--seed", seed, "--questions", "40", "--worksheet", str(tmp_path / "w.tex")).status == 0
    for name in ("w.tex", "w-answers.tex"):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name],
            cwd=tmp_path, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
        # No more than a few points stand out into the margin, of 70.
        wide = re.findall(rb"Overfull \\hbox \(([0-9.]+)pt", done.stdout)
        assert all(float(points) < 60 for points in wide), wide


@pytest.mark.parametrize("there", ["w.md", "w-answers.md"])
def test_a_worksheet_writes_over_nothing(there: str, tmp_path: Path) -> None:
    path = tmp_path / there
    path.write_text("mine")
    message = refused("quiz", "--worksheet", str(tmp_path / "w.md"))
    assert message == f"'{path}' exists; add --force to write over it."
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(there, "mine")]
    assert calc("quiz", "--worksheet", str(tmp_path / "w.md"), "--force").status == 0
    assert {file.name for file in tmp_path.iterdir()} == {"w.md", "w-answers.md"}
    assert path.read_text() != "mine"


def test_a_worksheet_needs_a_folder_and_is_none(tmp_path: Path) -> None:
    assert "There is no folder" in refused("quiz", "--worksheet", str(tmp_path / "none" / "w.md"))
    (tmp_path / "w.md").mkdir()
    assert "is a folder; --worksheet needs" in refused("quiz", "--worksheet", str(tmp_path / "w.md"))


def test_where_the_key_cannot_be_written_nothing_is(tmp_path: Path) -> None:
    if os.geteuid() == 0 and shutil.which("chattr") is None:
        pytest.skip("nothing is forbidden to root")
    # A key that is a link to nowhere that can be written passes the first look.
    (tmp_path / "w-answers.md").symlink_to(tmp_path / "gone" / "w.md")
    result = calc("quiz", "--worksheet", str(tmp_path / "w.md"))
    assert result.status == 1
    assert [file.name for file in tmp_path.iterdir()] == ["w-answers.md"]


def test_what_is_harder_is_of_the_same_topics() -> None:
    asked = ("quiz", "--topic", "norm", "--level", "2", "--seed", "3", "--questions", "1")
    assert "Harder: rnncalc quiz --topic norm --level 3" in calc(*asked, stdin=b"25.6\n").out
