"""``python -m optangent``: tables, formats and exit codes."""

from __future__ import annotations

import csv
import html.parser
import io
import subprocess
import sys
from pathlib import Path

import pytest

import optangent as ot
from optangent.command_line import main
from optangent.reports import COMMANDS
from optangent.tables import FORMATS, Table

DIET = """max
 profit: 3 x + 2 y
st
 hours: x + 2 y <= 4
 <name>&: x - y >= -1
bounds
 x <= 3
end
"""


@pytest.fixture
def diet(tmp_path: Path) -> Path:
    """A model with one solution: x = 3 and y = 0.5."""
    path = tmp_path / "diet.lp"
    path.write_text(DIET.replace("<name>&", "a#b"))
    return path


def tables_of(text: str) -> dict[str, list[list[str]]]:
    """The tables of a CSV text by title, headings included."""
    found: dict[str, list[list[str]]] = {}
    title = ""
    for row in csv.reader(io.StringIO(text)):
        if not row:
            title = ""
        elif title:
            found[title].append(row)
        else:
            title = row[0]
            found[title] = []
    return found


def test_solve_shows_a_solution(diet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status, objective, and tables of variables and constraints, in columns; the exit code is 0."""
    assert main(["solve", str(diet)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["diet.lp"]
    for expected in (
        "objective 10",
        "sense maximize",
        "size 2 variables, 2 constraints",
        "name value lower upper reduced cost",
        "x 3 0 3 -2",
        "y 0.5 0 inf 0",
        "hours 4 -inf 4 0 -1",
        "a#b 2.5 -1 inf 3.5 0",
    ):
        assert expected.split() in lines, expected
    assert any(line[:2] == ["status", "OPTIMAL:"] for line in lines)


def test_csv_has_all_digits(diet: Path, tmp_path: Path) -> None:
    """The format is that of the output's name, numbers are whole and what there is not is empty."""
    model = ot.read(diet)
    model.set(ot.ObjectiveFunction(), model.variable_by_name("x") / 3.0)
    model.add_constraint(model.variable_by_name("y"), ot.Integer())
    model.write(tmp_path / "thirds.mps")
    out = tmp_path / "out.csv"
    assert main(["solve", str(tmp_path / "thirds.mps"), "--output", str(out), "--solver", "highs"]) == 0
    tables = tables_of(out.read_text())
    assert list(tables) == ["Result", "Variables", "Constraints"]
    assert dict(tables["Result"])["objective"] == "1.0"
    assert tables["Variables"][0] == ["name", "value", "lower", "upper", "reduced cost"]
    assert [row[4] for row in tables["Variables"][1:]] == ["", ""]  # a program with whole numbers has no duals


def test_a_page_stands_alone(tmp_path: Path) -> None:
    """Names are escaped, all tags are closed, and nothing is loaded from elsewhere."""
    model = ot.Model()
    x = model.add_variable("<script>&x", lower=1.0)
    model.minimize(2 * x)
    path, out = tmp_path / "model.mps", tmp_path / "page.html"
    model.write(path)
    assert main(["solve", str(path), "--output", str(out)]) == 0
    text = out.read_text()
    assert "&lt;script&gt;&amp;x" in text and "<script" not in text and "http" not in text and "src=" not in text

    class Parser(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Parser()
    parser.feed(text)
    assert parser.open == []


@pytest.mark.parametrize(
    ("relation", "status"),
    [("x <= 4", "OPTIMAL"), ("x <= -4", "INFEASIBLE"), ("x - y <= 4", "DUAL_INFEASIBLE")],
)
def test_exit_codes_tell_whether_there_is_a_solution(
    relation: str, status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 without a solution, of which there are no tables then; the status is in words."""
    path = tmp_path / "model.lp"
    path.write_text(f"max\n obj: x\nst\n c: {relation}\nend\n")
    solved = status == "OPTIMAL"
    assert main(["solve", str(path)]) == (0 if solved else 1)
    out = capsys.readouterr().out
    assert f" {status}: " in out and ("Variables" in out) == solved


FURNITURE = """max
 profit: 30 tables + 12 chairs
st
 wood: 4 tables + chairs <= 40
 hours: 2 tables + 2 chairs <= 50
 least: tables >= 1
end
"""


@pytest.fixture
def furniture(tmp_path: Path) -> Path:
    """A model whose prices are known: 6 for wood from 28 to 100, 3 for hours from 20 to 74."""
    path = tmp_path / "furniture.lp"
    path.write_text(FURNITURE)
    return path


def test_sensitivity_shows_prices_and_their_ranges(furniture: Path, tmp_path: Path) -> None:
    """Both tables of a linear program, by name, with all digits."""
    pytest.importorskip("pandas")
    out = tmp_path / "prices.csv"
    assert main(["sensitivity", str(furniture), "--output", str(out)]) == 0
    tables = tables_of(out.read_text())
    worth, ranges = tables["What constraints and bounds are worth"], tables["Until when that holds"]
    for table, slope in ((worth, "influence"), (ranges, "slope")):
        heads, found = table[0], {row[table[0].index("name")]: row for row in table[1:]}
        for name, expected in (("wood", [6.0, 28.0, 100.0]), ("hours", [3.0, 20.0, 74.0])):
            numbers = [float(found[name][heads.index(head)]) for head in (slope, "low", "high")]
            assert numbers == pytest.approx(expected, abs=1e-9)


def test_sensitivity_without_duals_is_no_answer(furniture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 for a program with whole numbers, in words, and for one without a solution."""
    pytest.importorskip("pandas")
    furniture.write_text(FURNITURE.replace("end", "gen\n tables\nend"))
    assert main(["sensitivity", str(furniture)]) == 1
    assert "integer variables" in capsys.readouterr().err
    furniture.write_text(FURNITURE.replace(">= 1", ">= 11"))
    assert main(["sensitivity", str(furniture)]) == 1
    output = capsys.readouterr()
    assert "INFEASIBLE: " in output.out and "worth" not in output.out and not output.err


def test_explain_tells_of_model_and_constraints(furniture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary, and one constraint of each kind or those that are named; a name that is not there ends with 2."""
    assert main(["explain", str(furniture)]) == 0
    out = capsys.readouterr().out
    assert "linear program" in out and "\nleast\n" in out and "\nwood\n" in out and "\nhours\n" not in out
    assert main(["explain", str(furniture), "--constraint", "hours"]) == 0
    out = capsys.readouterr().out
    assert "\nhours\n" in out and "\nwood\n" not in out
    assert main(["explain", str(furniture), "--constraint", "glue"]) == 2
    assert "'glue'" in capsys.readouterr().err


def test_conflict_tells_what_contradicts(furniture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 with the rows that cannot hold together and no other, 1 where there is a solution."""
    assert main(["conflict", str(furniture)]) == 1
    assert "no conflict" in capsys.readouterr().err
    furniture.write_text(FURNITURE.replace(">= 1", ">= 11"))
    out = tmp_path / "conflict.csv"
    assert main(["conflict", str(furniture), "--output", str(out)]) == 0
    heads, *members = tables_of(out.read_text())["What cannot hold together"]
    names = {row[heads.index("name")] for row in members}
    assert {"wood", "least"} <= names and "hours" not in names


def test_a_time_limit_is_handed_on(diet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A solver that has no time stops, and the exit code says that there is no optimum."""
    assert main(["solve", str(diet), "--time-limit", "0", "--solver", "Clarabel"]) == 1
    assert "TIME_LIMIT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required"),
        (["solve"], "FILE"),
        (["dissolve", "FILE"], "dissolve"),
        (["solve", "FILE", "--solver", "libraries"], "there is no solver 'libraries'; there are AltDiff"),
        (["solve", "FILE", "--solver", "Solver"], "no solver 'Solver'"),
        (["solve", "FILE", "--time-limit", "soon"], "number of seconds, got 'soon'"),
        (["solve", "FILE", "--format", "pdf"], "pdf"),
    ],
)
def test_wrong_usage_ends_with_2(
    arguments: list[str], words: str, diet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments that make no sense are named, and nothing is solved."""
    with pytest.raises(SystemExit) as caught:
        main([str(diet) if one == "FILE" else one for one in arguments])
    output = capsys.readouterr()
    assert caught.value.code == 2 and words in output.err and not output.out


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("missing.lp", None, "No such file"),
        ("model.txt", "", "ends in .lp or .mps"),
        ("broken.lp", "max\n obj: x +\nst\nend\n", "line 3: expected a term"),
        ("empty.mps", "", "empty"),
    ],
)
def test_files_that_cannot_be_read_end_with_2(
    name: str, text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is one line with the path, the line and the reason, and no traceback."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    assert main(["solve", str(path)]) == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ") and words in output.err and str(path) in output.err and not output.out
    assert output.err.count("\n") == 1


def test_an_output_that_cannot_be_written_ends_with_2(diet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The path that could not be written is named."""
    assert main(["solve", str(diet), "--output", str(diet.parent / "no" / "out.txt")]) == 2
    assert "out.txt: No such file" in capsys.readouterr().err


def test_warnings_go_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What reading and solving warn of is told in words beside the tables."""
    path = tmp_path / "late.mps"
    path.write_text("ROWS\n N  cost\nCOLUMNS\n    x  cost  1\nBOUNDS\n LO BND  z  1\nENDATA\n")
    assert main(["solve", str(path)]) == 0
    assert capsys.readouterr().err.startswith("warning: ")


def test_help_has_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of the program and of every command shows how it is called and what it returns."""
    for arguments in (["--help"], *([command, "--help"] for command in COMMANDS)):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out = capsys.readouterr().out
        assert caught.value.code == 0 and "examples:" in out and "exit codes:" in out
        assert all(command in out for command in COMMANDS)


def test_it_runs_as_a_module(diet: Path) -> None:
    """``python -m optangent`` in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "optangent", "solve", diet], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "OPTIMAL" in done.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_tables_without_rows_are_shown(form: str) -> None:
    """A table may be empty."""
    assert "Nothing here" in FORMATS[form]("a title", [Table("Nothing here", ("name", "value"), [])])
