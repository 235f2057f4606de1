"""Models as files: what is written is read again to the last digit, and what is no model is refused with its line."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.solvers.files import lp_reading
from optangent.solvers.files.lp_reading import read_lp
from optangent.solvers.files.lp_writing import lp_lines
from optangent.solvers.files.mps_reading import read_mps
from optangent.solvers.files.mps_writing import mps_lines
from optangent.solvers.files.names import lp_name, mps_name, unique_names
from optangent.solvers.files.program import Program

from .random_programs import random_program

SUFFIXES = ("mps", "lp")
SEEDS = range(40)


def same(one: Program, two: Program, ulps: float = 0.0) -> None:
    """Both hold the same names and numbers; the sides of ranges within so many units in the last place."""
    assert (one.columns, one.rows, one.maximizes, one.r) == (two.columns, two.rows, two.maximizes, two.r)
    for field in ("q", "lower", "upper", "kinds"):
        np.testing.assert_array_equal(getattr(one, field), getattr(two, field), field)
    assert abs(one.P - two.P).nnz == abs(one.A - two.A).nnz == 0
    largest = np.maximum(np.abs(one.row_lower), np.abs(one.row_upper))
    spacing = np.where(np.isfinite(largest), np.spacing(np.where(np.isfinite(largest), largest, 0.0)), 0.0)
    for field in ("row_lower", "row_upper"):
        mine, theirs = getattr(one, field), getattr(two, field)
        np.testing.assert_array_equal(np.isfinite(mine), np.isfinite(theirs))
        at = np.isfinite(mine)
        assert (np.abs(mine[at] - theirs[at]) <= ulps * spacing[at]).all()


def by_highs(path: Path) -> Program:
    """What HiGHS' own reader makes of a file."""
    handle = highspy._Highs()
    handle.setOptionValue("output_flag", False)
    assert int(handle.readModel(str(path))) >= 0
    lp, hessian = handle.getLp(), handle.getModel().hessian_
    n, m, a = lp.num_col_, lp.num_row_, lp.a_matrix_
    half = sp.csc_array((n, n))
    if hessian.dim_:
        half = sp.csc_array((np.array(hessian.value_), np.array(hessian.index_), np.array(hessian.start_)), (n, n))
    return Program(
        "",
        list(lp.col_names_),
        list(lp.row_names_),
        lp.sense_.name == "kMaximize",
        sp.csc_array(half + half.T - sp.diags_array(half.diagonal())),
        np.array(lp.col_cost_),
        lp.offset_,
        sp.csr_array(sp.csc_array((np.array(a.value_), np.array(a.index_), np.array(a.start_)), (m, n))),
        np.array(lp.row_lower_),
        np.array(lp.row_upper_),
        np.array(lp.col_lower_),
        np.array(lp.col_upper_),
        np.array([int(kind) for kind in lp.integrality_] or np.zeros(n), np.uint8),
    )


# ---------------------------------------------------------------------- there and back
@pytest.mark.parametrize("seed", SEEDS)
def test_mps_files_hold_all_of_a_program(seed: int) -> None:
    """Names and numbers are those that were written; a side of a range may be off by its last digit."""
    program = random_program(seed)
    same(program, read_mps("a.mps", "\n".join(mps_lines(program))), ulps=1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_lp_files_hold_all_of_a_program(seed: int, tmp_path: Path) -> None:
    """Names and numbers are those that were written, of ranges too, but for brackets, which are round."""
    program = random_program(seed)
    path = tmp_path / "a.lp"
    path.write_text("\n".join(lp_lines(program)) + "\n")
    columns = [name.replace("[", "(").replace("]", ")") for name in program.columns]
    same(replace(program, columns=columns), read_lp("a.lp", str(path)))


@pytest.mark.parametrize("seed", SEEDS)
def test_others_read_the_same_in_our_mps_files(seed: int, tmp_path: Path) -> None:
    """HiGHS' reader finds the same program, but for free rows, which it leaves out."""
    program = random_program(seed)
    path = tmp_path / "a.mps"
    path.write_text("\n".join(mps_lines(program)))
    kept = np.flatnonzero(np.isfinite(program.row_lower) | np.isfinite(program.row_upper))
    rows = [program.rows[i] for i in kept]
    some = replace(
        program, rows=rows, A=program.A[kept], row_lower=program.row_lower[kept], row_upper=program.row_upper[kept]
    )
    same(some, by_highs(path), ulps=1.0)


@pytest.mark.parametrize("seed", [s for s in SEEDS if s % 3 == 0])
def test_we_read_what_others_write(seed: int, tmp_path: Path) -> None:
    """Of a file that HiGHS writes our reader and its own make the same."""
    path, theirs = tmp_path / "a.mps", tmp_path / "b.mps"
    program = random_program(seed)
    path.write_text("\n".join(mps_lines(replace(program, q=program.q + 0.5))))  # HiGHS leaves empty columns out
    handle = highspy._Highs()
    handle.setOptionValue("output_flag", False)
    handle.readModel(str(path))
    handle.writeModel(str(theirs))
    same(by_highs(theirs), read_mps("b.mps", theirs.read_text()))


def whole_model() -> ot.Model:
    """A model with all that a file can hold, and some that bridges and parameters bring into it."""
    model = ot.Model(ot.solvers.HiGHS)
    model.set(ot.Name(), "everything")
    v = model.add_variables(3, "v", lower=[0.0, -1.0, -np.inf], upper=[4.0, np.inf, 7.0])
    gone = model.add_variable("gone", lower=1.0)
    b, i = model.add_variable("b", binary=True), model.add_variable("i", integer=True, lower=-2.0)
    s, _ = model.add_constrained_variable(ot.Semicontinuous(2.0, 7.0))
    t, _ = model.add_constrained_variable(ot.Semiinteger(1.0, 7.0))
    fixed = model.add_variable("fixed", lower=1 / 3, upper=1 / 3)
    p = model.add_parameter(3.0, "p")
    model.set(ot.VariableName(), s, "se mi")
    model.add_constraint(p * v[0] + 2 * v[1] <= 5 * p, name="products")
    model.add_constraint(v[0] + s / 3 + gone, ot.Interval(-1 / 3, 1 / 7), name="range")
    dropped = model.add_constraint(v[0] + gone <= 0.0, name="dropped")
    model.add_constraint(v.sum() + t + fixed == 3)
    model.add_constraint(v[0] + i, ot.Interval(-np.inf, np.inf), name="idle")
    model.add_constraint(np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]) @ v >= [1.0, 2.0], name="vec")
    model.add_constraint(ot.vectorize([4.0 + 0.0 * b, v[0] - i, v[1]]), ot.NormOneCone(3), name="norm")
    model.delete(gone)
    model.delete(dropped)
    model.maximize(v[0] + b - i + p - s + 2 * p * t)
    return model


@pytest.mark.parametrize("suffix", [*SUFFIXES, "mps.gz", "lp.gz", "MPS"])
def test_a_model_comes_back(suffix: str, tmp_path: Path) -> None:
    """Optimum, names and kinds survive; what was deleted is not written, and parameters have their values."""
    model, path = whole_model(), tmp_path / f"model.{suffix}"
    model.write(path)
    again = ot.read(path, ot.solvers.HiGHS)
    for one in (model, again):
        one.optimize()
        assert one.termination_status() is ot.TerminationStatusCode.OPTIMAL
    assert again.objective_value() == pytest.approx(model.objective_value(), abs=1e-9)
    again.variable_by_name("se_mi")
    assert str(again.get(ot.ConstraintSet(), again.constraint_by_name("idle"))) == "Interval(-inf, inf)"
    found = again.get(ot.ConstraintSet(), again.constraint_by_name("range"))
    assert (found.lower, found.upper) == pytest.approx((-1 / 3, 1 / 7), rel=1e-15)
    product = again.get(ot.ConstraintFunction(), again.constraint_by_name("products"))
    assert str(product).replace("(", "[").replace(")", "]") == "3 v[0] + 2 v[1]"
    assert "gone" not in str(again) and "dropped" not in str(again)
    kinds = {kind[1] for kind in again.get(ot.ListOfConstraintTypesPresent()) if kind[0] is ot.VariableIndex}
    assert kinds >= {ot.Integer, ot.ZeroOne, ot.Semicontinuous, ot.Semiinteger, ot.EqualTo, ot.Interval}
    assert (again.get(ot.Name()) == "everything") == ("mps" in suffix.lower())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_curvature_comes_back(suffix: str, sign: float, tmp_path: Path) -> None:
    """A quadratic objective is the same function again, maximized or minimized, and has the same solution."""
    model, path = ot.Model(ot.solvers.HiGHS), tmp_path / f"model.{suffix}"
    x, y = model.add_variable("x"), model.add_variable("y", lower=-1.0)
    model.add_constraint(x + y >= 1 / 3, name="c")
    function = sign * (x * x / 3 + 0.7 * x * y + y * y + 0.1 * x - 2.0)
    (model.minimize if sign > 0 else model.maximize)(function)
    model.write(path)
    again = ot.read(path, ot.solvers.HiGHS)
    new = [again.variable_by_name(name) for name in "xy"]
    objective = again.get(ot.ObjectiveFunction())
    for pair in ((0, 0), (0, 1), (1, 1)):
        a, b = ((x, y)[k] for k in pair)
        assert objective.coefficient(new[pair[0]], new[pair[1]]) == function.coefficient(a, b)
    model.optimize()
    again.optimize()
    assert again.value(new) == pytest.approx(model.value([x, y]), abs=1e-9)
    duals = [one.dual(one.constraint_by_name("c")) for one in (model, again)]
    assert duals[0] > 0.0 and duals[1] == pytest.approx(duals[0], abs=1e-9)


def test_a_model_that_is_read_is_differentiated(tmp_path: Path) -> None:
    """`read` takes what `Model` takes, a differentiating optimizer too."""
    path = tmp_path / "model.lp"
    path.write_text("min\n obj: 2 x\nst\n c: x >= 3\nbounds\n x free\nend\n")
    model = ot.read(path, ot.diff_optimizer(ot.solvers.HiGHS))
    model.optimize()
    x, c = model.variable_by_name("x"), model.constraint_by_name("c")
    model.set(ot.ReverseVariablePrimal(), x, 1.0)
    model.reverse_differentiate()
    assert model.get(ot.ReverseConstraintSet(), c).lower == pytest.approx(1.0)


# ---------------------------------------------------------------------- names
def test_names_are_made_to_fit() -> None:
    """Every name is one that the format takes, none comes twice, and those that fit stay."""
    odd = ["a b", "a_b", "a_b", "", "x[0]", "3x", "free", "é", "a:b", "e5", "*", "c4", "\t"]
    for made in (mps_name, lp_name):
        names = unique_names(odd, made, "c")
        assert len(set(names)) == len(odd) and all(name == made(name) for name in names)
    assert unique_names(["r", "rlo", "q"], lp_name, "c", ("", "lo", "up")) == ["r_2", "rlo", "q"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_odd_names_are_written_and_read(suffix: str, tmp_path: Path) -> None:
    """Names that mean something to the format, that come twice or not at all, make files that are read."""
    model, path = ot.Model(ot.solvers.HiGHS), tmp_path / f"model.{suffix}"
    names = ["a b", "a b", "", "end", "e1", "$x", "'MARKER'", "RHS", "é", "objective", "x:y", "]", "st"]
    v = model.add_variables(len(names), lower=0.0)
    for x, name in zip(v, names, strict=True):
        model.set(ot.VariableName(), x, name)
        model.add_constraint(1.0 * x, ot.Interval(float(len(name)), 20.0), name=name)
    model.minimize(v.sum())
    model.write(path)
    again = ot.read(path, ot.solvers.HiGHS)
    again.optimize()
    assert again.objective_value() == pytest.approx(sum(map(len, names)))
    assert len({again.name_of(i) for i in again.get(ot.ListOfVariableIndices()).ids.tolist()}) == len(names)


# ---------------------------------------------------------------------- what does not fit
def _curved_row(model: ot.Model) -> Any:
    x = model.add_variable("x")
    p = model.add_parameter(2.0)
    model.add_constraint(p * x <= 1.0)  # this one is no trouble
    return model.add_constraint(x * x <= 1.0, name="disc")


def _cone(model: ot.Model) -> Any:
    v = model.add_variables(2, "v")
    return model.add_constraint(v, ot.SecondOrderCone(2), name="cone")


def _nothing(model: ot.Model) -> Any:
    return None


def _cubic(model: ot.Model) -> Any:
    x = model.add_variable("x")
    p = model.add_parameter(1.0)
    c = p * x * x
    model.minimize(c * 1.0)
    model.add_constraint(x, ot.GreaterThan(2.0))
    model.add_constraint(x, ot.LessThan(1.0))


REFUSED: dict[str, tuple[Callable[[ot.Model], Any], type[Exception], str]] = {
    "quadratic row": (_curved_row, ot.UnsupportedConstraint, "'disc'.*does not fit in a file.*Rewrite"),
    "cone": (_cone, ot.UnsupportedConstraint, "'cone'.*SecondOrderCone.*does not fit"),
    "nothing": (_nothing, ot.InvalidData, "no variables"),
    "contradiction": (_cubic, ot.InvalidData, "variable 'x' lies between 2.0 and 1.0"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_file_cannot_hold_is_refused(case: str, suffix: str, tmp_path: Path) -> None:
    """The message names the constraint, and no file appears."""
    make, error, words = REFUSED[case]
    model = ot.Model()
    make(model)
    with pytest.raises(error, match=words):
        model.write(tmp_path / f"model.{suffix}")
    assert not list(tmp_path.iterdir())


MPS = """NAME t
* a comment
OBJSENSE MAX
ROWS
 N  cost
 L  r0
 G  r1
COLUMNS
    x  cost  1.5   r0  1
    x  r1  2
    y  r0  3
RHS
    RHS  r0  4   r1  -1d0
RANGES
    RNG  r1  3
BOUNDS
 UP BND  x  4
 MI BND  y
QUADOBJ
    x  x  -2
ENDATA
"""
LP = "max\n obj: 3 x + 2 y\nst\n c1: x + 2 y <= 4\n c2: x - y >= -1\nbounds\n x <= 3\nend\n"
BROKEN: dict[str, tuple[str, str, int | None, str]] = {
    "empty": ("mps", " \n\n", None, "empty"),
    "empty lp": ("lp", "", None, "empty"),
    "cut off": ("mps", MPS[:-20], 19, "ENDATA.*cut off"),
    "cut off in a line": ("mps", MPS[:115], 11, "COLUMNS a line is"),
    "a number that is none": ("mps", MPS.replace("r0  3", "r0  3,5"), 11, "'3,5' is no number"),
    "nan": ("mps", MPS.replace("r0  3", "r0  nan"), 11, "'nan' is no number"),
    "an infinite coefficient": ("mps", MPS.replace("r0  3", "r0  1e999"), 11, "finite"),
    "a row that is not there": ("mps", MPS.replace("y  r0", "y  r7"), 11, "no row 'r7'"),
    "a row twice": ("mps", MPS.replace("G  r1", "G  r0"), 7, "second row 'r0'"),
    "a letter": ("mps", MPS.replace(" G  r1", " K  r1"), 7, "letter N, L, G or E"),
    "an entry twice": ("mps", MPS.replace("x  r1  2", "x  r0  2"), 10, "second entry of column 'x' in row 'r0'"),
    "a column in two places": ("mps", MPS.replace("RHS\n", "    x  r0  2\nRHS\n", 1), 12, "comes again"),
    "a field too few": ("mps", MPS.replace("x  r1  2", "x  r1"), 10, "a row and a number"),
    "a bound of no kind": ("mps", MPS.replace("MI BND", "ZZ BND"), 18, "UP, LO"),
    "a bound without a number": ("mps", MPS.replace("UP BND  x  4", "UP BND  x"), 17, "is no number"),
    "a side twice": ("mps", MPS.replace("r1  -1d0", "r0  1"), 13, "second number"),
    "two right-hand sides": ("mps", MPS.replace("RANGES", "    RHS2  r1  3\nRANGES"), 14, "second set 'RHS2'"),
    "curvature twice": ("mps", MPS.replace("x  x  -2", "x  y  1\n    y  x  1"), 21, "each once"),
    "a half of a matrix": ("mps", MPS.replace("QUADOBJ\n    x  x", "QMATRIX\n    x  y"), 21, "symmetric"),
    "a sense": ("mps", MPS.replace("OBJSENSE MAX", "OBJSENSE UP"), 3, "MAX or MIN"),
    "a section": ("mps", MPS.replace("RANGES", "REIGNS"), 14, "REIGNS"),
    "an LP file called MPS": ("mps", LP, 1, "expected a section"),
    "rows after columns": ("mps", "COLUMNS\n    x  r0  1\nENDATA\n", 1, "ROWS comes first"),
    "no columns": ("mps", "ROWS\n N  cost\nENDATA\n", 3, "no columns"),
    "crossing bounds": ("mps", MPS.replace("MI BND  y", "LO BND  x  7"), None, "column 'x' lies between 7 and 4"),
    "a negative upper bound alone": ("mps", MPS.replace("UP BND  x  4", "UP BND  x  -4"), None, "nonnegative"),
    "an infinite side": ("mps", MPS.replace("r0  4", "r0  -1e30"), None, "row 'r0'"),
    "an MPS file called LP": ("lp", MPS, 1, "section keyword"),
    "a word": ("lp", LP.replace("<= 3", "<= three"), 7, "expected a number, found `three`"),
    "no end": ("lp", LP[:-4], 7, "end of file"),
    "a loose sign": ("lp", LP.replace("2 y\nst", "2 y +\nst"), 3, "expected a term"),
    "a constant on the left": ("lp", LP.replace("+ 2 y <=", "+ 2 y + 1 <="), 4, "move the constant"),
    "no variables": ("lp", "max\n 3\nst\nend\n", None, "no variables"),
    "crossing bounds in lp": ("lp", LP.replace("x <= 3", "5 <= x <= 3"), None, "column 'x' lies between 5 and 3"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_malformed_file_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    """The error has the path, the line where there is one, and the reason, in its text and as data."""
    suffix, text, line, words = BROKEN[case]
    path = tmp_path / f"broken.{suffix}"
    path.write_text(text)
    with pytest.raises(ot.MalformedFile, match=words) as caught:
        ot.read(path)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.path, error.line) == (str(path), line) and str(error).startswith(str(path))
    assert line is None or f"line {line}:" in str(error)


def test_an_lp_file_that_nothing_is_said_of_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS before 1.16 does not say what is wrong, only that something is."""
    monkeypatch.setattr(lp_reading, "_judge", lambda path, message: None)
    path = tmp_path / "broken.lp"
    path.write_text(LP[:-4])
    with pytest.raises(ot.MalformedFile, match=r"does not say why.*1\.16"):
        ot.read(path)


def test_what_highs_leaves_out_is_warned_of(tmp_path: Path) -> None:
    """A coefficient below 1e-12 is none for HiGHS, which reads LP files; others are kept, however large some are."""
    path = tmp_path / "small.lp"
    path.write_text(LP.replace("x - y", "1e-13 x - 1e-11 y + 1e200 z"))
    with pytest.warns(UserWarning, match="ignored"):
        model = ot.read(path)
    function = model.get(ot.ConstraintFunction(), model.constraint_by_name("c2"))
    found = [function.coefficient(model.variable_by_name(name)) for name in "xyz"]
    assert found == [0.0, -1e-11, 1e200]


def test_the_files_that_were_broken_are_whole() -> None:
    """Without the slips they are read: what is refused above is refused for the slip."""
    program = read_mps("t.mps", MPS)
    assert (program.maximizes, program.columns, program.rows) == (True, ["x", "y"], ["r0", "r1"])
    np.testing.assert_array_equal(program.row_lower, [-np.inf, -1.0])
    np.testing.assert_array_equal(program.row_upper, [4.0, 2.0])
    np.testing.assert_array_equal(program.lower, [0.0, -np.inf])
    np.testing.assert_array_equal(program.upper, [4.0, np.inf])
    np.testing.assert_array_equal(program.P.toarray(), [[-2.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("suffix", "section", "words"),
    [
        ("mps", "SOS\n S1 SOS s1\n", "special ordered sets.*SOS"),
        ("mps", "QCMATRIX r0\n x x 1\n", "quadratic rows"),
        ("mps", "QSECTION r0\n x x 1\n", "quadratic rows"),
        ("mps", "INDICATORS\n IF r0 x 1\n", "indicator"),
        ("lp", " c3: x + [ x ^ 2 ] <= 3\n", "line 6.*quadratic constraints"),
    ],
)
def test_what_is_no_program_is_unsupported(suffix: str, section: str, words: str, tmp_path: Path) -> None:
    """A section of something else is named, with its line and what to do."""
    text = MPS.replace("ENDATA", section + "ENDATA") if suffix == "mps" else LP.replace("bounds", section + "bounds")
    path = tmp_path / f"other.{suffix}"
    path.write_text(text)
    with pytest.raises(ot.UnsupportedConstraint, match=f"(?s)line.*{words}|{words}") as caught:
        ot.read(path)
    assert "line" in str(caught.value) and "Python" in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bytes_that_are_no_text_are_refused(suffix: str, tmp_path: Path) -> None:
    """Zeros, other encodings and broken archives are refused in words, with the line where there is one."""
    path = tmp_path / f"noise.{suffix}"
    for data, words in (
        (bytes(range(256)), "byte 0x80"),
        ("NAME é".encode("latin-1"), "UTF-8"),
        (b"NAME\n\0\n", "line 2.*zero byte"),
    ):
        path.write_bytes(data)
        with pytest.raises(ot.MalformedFile, match=words):
            ot.read(path)
    packed = tmp_path / f"noise.{suffix}.gz"
    for data in (b"no archive", gzip.compress(MPS.encode())[:-12]):
        packed.write_bytes(data)
        with pytest.raises(ot.MalformedFile, match="cannot be unpacked"):
            ot.read(packed)


def test_sizes_are_looked_at_first(tmp_path: Path) -> None:
    """A file of 2 GB is refused before it is read, and an archive as soon as too much comes out of it."""
    large = tmp_path / "large.mps"
    with open(large, "wb") as file:
        os.truncate(file.fileno(), 2_000_000_000)
    with pytest.raises(ot.InvalidData, match=r"2,000,000,000 bytes.*max_bytes"):
        ot.read(large)
    packed = tmp_path / "packed.mps.gz"
    packed.write_bytes(gzip.compress(MPS.encode() + b"* nothing\n" * 100_000))
    with pytest.raises(ot.InvalidData, match=r"1,000 .*max_bytes|allowed \(1,000"):
        ot.read(packed, max_bytes=1000)
    assert ot.read(packed).get(ot.NumberOfVariables()) == 2


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Missing files and folders have Python's own errors; pipes and other names are refused in words."""
    with pytest.raises(FileNotFoundError):
        ot.read(tmp_path / "missing.mps")
    (tmp_path / "folder.mps").mkdir()
    with pytest.raises(IsADirectoryError):
        ot.read(tmp_path / "folder.mps")
    for act in (ot.read, ot.Model().write):
        with pytest.raises(ot.InvalidData, match=r"\.lp or \.mps"):
            act(tmp_path / "model.txt")
    device = tmp_path / "zero.mps"
    device.symlink_to("/dev/zero")
    with pytest.raises(ot.InvalidData, match="no plain file"):
        ot.read(device)


def test_fixed_columns_are_read() -> None:
    """Names with spaces stand in fixed columns."""
    lines = [
        "NAME          a test",
        "ROWS",
        " N  cost",
        " G  row one",
        "COLUMNS",
        "    col one   cost               1.0   row one            2.0",
        "    col two   row one            1.0",
        "RHS",
        "    RHS       row one            1.0",
        "BOUNDS",
        " UP BND       col one            4.0",
        "ENDATA",
    ]
    program = read_mps("a.mps", "\n".join(lines))
    assert (program.columns, program.rows) == (["col one", "col two"], ["row one"])
    np.testing.assert_array_equal(program.A.toarray(), [[2.0, 1.0]])
    np.testing.assert_array_equal(program.upper, [4.0, np.inf])


def test_what_may_be_left_out_is() -> None:
    """Sets of sides and bounds may have no name, whole columns without bounds are binary, other rows may be free."""
    text = (
        MPS.replace("RHS  r0", "r0").replace("RNG  r1", "r1").replace("BND  ", "").replace(" L  r0", " L  r0\n N  idle")
    )
    text = text.replace(
        "    y  r0  3", "    M  'MARKER'  'INTORG'\n    y  r0  3   idle  1\n    z  r0  1\n    M  'MARKER'  'INTEND'"
    )
    program = read_mps("a.mps", text)
    assert program.rows == ["r0", "idle", "r1"] and program.columns == ["x", "y", "z"]
    np.testing.assert_array_equal(program.row_upper, [4.0, np.inf, 2.0])
    np.testing.assert_array_equal(program.lower, [0.0, -np.inf, 0.0])
    np.testing.assert_array_equal(program.upper, [4.0, np.inf, 1.0])
    assert program.kinds.tolist() == [0, 1, 1]


def test_a_column_that_only_bounds_know_is_warned_of() -> None:
    """HiGHS leaves columns without entries out of COLUMNS; they are taken from BOUNDS, and named."""
    with pytest.warns(UserWarning, match="'z'"):
        program = read_mps("a.mps", MPS.replace("MI BND  y", "UP BND  z  9"))
    assert program.columns == ["x", "y", "z"] and program.upper[2] == 9.0
