"""The tutorials run, draw, and find what they say they find; those that train, on fewer epochs and cells."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "tutorials"
NO_TORCH = "make test installs PyTorch, pip install optangent[test] does not"


def run(name: str, folder: Path, **size: int) -> Any:
    """The report of a tutorial's `main`, which holds the tutorial's own assertions."""
    spec = importlib.util.spec_from_file_location(f"tutorial_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module.main(folder, **size)


def assert_is_picture(path: Path) -> None:
    """The file is a PNG with something drawn on it."""
    from matplotlib.image import imread

    pixels = imread(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert min(pixels.shape[:2]) > 500 and pixels[..., :3].std() > 0.01


def test_svm(tmp_path: Path) -> None:
    """Each of the 569 patients has a derivative, right where the machine is trained again."""
    report = run("svm_sensitivity", tmp_path / "made")
    found, status = report.influences, report.machine.status
    assert found.influence.shape == (569,) and found.derivative.shape == found.along_ones.shape == (569, 31)
    np.testing.assert_allclose(np.linalg.norm(found.direction[status != "beyond"], axis=1), 1)
    assert np.all(np.linalg.norm(found.along_ones, axis=1) <= found.influence + 1e-9)
    assert report.top.shape == (10,) and np.all(np.diff(found.influence[report.top]) <= 0)
    assert report.relative_error <= 1e-5
    # a patient inside the margin pushes with full force, one beyond it with none
    penalty = report.machine.duals.max()
    np.testing.assert_allclose(report.machine.duals[status == "inside"], penalty, rtol=1e-6)
    np.testing.assert_allclose(report.machine.duals[status == "beyond"], 0, atol=1e-8)
    assert_is_picture(report.figure)


def test_ridge(tmp_path: Path) -> None:
    """Both tables and the gradient of the error on new patients agree with the formulas."""
    report = run("ridge_sensitivity", tmp_path / "made")
    count, width = report.data.X.shape
    assert report.by_response.shape == (count, width + 1) and report.by_point.shape == (count, width, width + 1)
    assert report.gradient.points.shape == (count, width)
    again = report.errors.pop("dL/dx, fitted again")
    assert again <= 1e-5 and max(report.errors.values()) <= 1e-8
    assert 1 < report.leverage.sum() < width + 1
    assert_is_picture(report.figure)


def test_relu_layers(tmp_path: Path) -> None:
    """A solved ReLU trains as PyTorch's does; a learned polytope is as good, has moved, and contains its features."""
    torch = pytest.importorskip("torch", reason=NO_TORCH)
    threads = torch.get_num_threads()
    report = run("relu_layers", tmp_path / "made", epochs=2, planar_epochs=4)
    assert torch.get_num_threads() == threads
    assert report.relu.gradients <= 1e-9 and report.projection_error <= 1e-5
    plain, solved = (report.runs[16, name] for name in ("ReLU of PyTorch", "ReLU, solved"))
    for ours, theirs in zip(solved.network.parameters(), plain.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)
    assert report.runs[16, "polytope, learned"].accuracy[-1] >= plain.accuracy[-1] - 0.01
    assert len(solved.losses) == 2 * 22 and solved.losses[-1] < solved.losses[0]
    after = report.after
    assert not np.allclose(report.before.normals, after.normals, atol=0.1)
    np.testing.assert_allclose(np.linalg.norm(after.normals, axis=1), 1)
    assert np.all(after.projected @ after.normals.T <= after.distances + 1e-4)
    assert np.all(after.normals @ after.corners.T <= after.distances[:, None] + 1e-6)
    assert 3 <= len(after.corners) <= 14 and 0 < after.holds.max() < 1
    assert_is_picture(report.figure)


def test_ridge_tuning(tmp_path: Path) -> None:
    """Gradient descent ends at the minimum of the grid, by derivatives that are those of the closed form."""
    report = run("ridge_tuning", tmp_path / "made", cells=11)
    assert report.derivative_error <= 1e-8
    assert report.one.loss[-1] <= 1.01 * report.grid_loss.min()
    assert report.table.shape == (11, 11) and report.two.loss[-1] <= 1.01 * report.table.min()
    assert abs(report.one.gradient[-1, 0]) < 1e-3 * abs(report.one.gradient[0, 0])
    test = report.test
    assert test["two, by gradient descent from there"] < test["one, by gradient descent"] < test["hardly any penalty"]
    assert_is_picture(report.figure)


def test_dispatch_prices(tmp_path: Path) -> None:
    """Paths and ranges of prices are those of the textbook; beyond its range a price is wrong."""
    pytest.importorskip("pandas")
    report = run("dispatch_prices", tmp_path / "made")
    np.testing.assert_allclose(report.bent.slope([11.0, 25.0, 145.0, 230.0]), [24.4, 30.0, 46.0, 80.0], rtol=1e-12)
    assert report.flat.slope([149.9, 150.1]).tolist() == pytest.approx([20.0, 30.0])
    assert report.bent.ends.startswith("INFEASIBLE") and report.flat.ends.startswith("INFEASIBLE")
    assert report.here.slope == pytest.approx(40.0) and report.trusted == pytest.approx(30.0 + 175.0 * 16.0 / 120.0)
    assert report.price_error <= 1e-9 and report.solve_error <= 1e-7
    assert_is_picture(report.figure)


def test_optimal_power_flow(tmp_path: Path) -> None:
    """The optimum is that of the literature, the relaxation is tight, and all prices move as solving again shows."""
    pytest.importorskip("casadi")
    report = run("optimal_power_flow", tmp_path / "made")
    assert report.cost == pytest.approx(8081.53, abs=0.01) and report.bound == pytest.approx(report.cost, rel=1e-5)
    assert report.moves.shape == (14, 14) and np.linalg.eigvalsh(0.5 * (report.moves + report.moves.T)).min() > 0
    assert report.error <= 1e-5
    assert_is_picture(report.figure)


def test_stigler_diet(tmp_path: Path) -> None:
    """The diet is that of the literature, and changes where the ranges of its prices end."""
    pytest.importorskip("pandas")
    report = run("stigler_diet", tmp_path / "made")
    expected = {  # dollars a year, as published with the data by others
        "Wheat flour (enriched)": 10.774457511918,
        "Liver (beef)": 0.690783411107,
        "Cabbage": 4.093268864843,
        "Spinach": 1.827796070355,
        "Navy beans, dried": 22.275425687243,
    }
    assert report.bought == pytest.approx(expected, rel=1e-9)
    assert report.dollars == pytest.approx(39.66173154547, abs=1e-9)
    assert report.tried > 77 and (report.ranges.low <= 1.0).all() and (report.ranges.high >= 1.0).all()
    assert len(report.path.pieces) == 5 and report.path.ends == ""
    assert_is_picture(report.figure)


def test_first_order_methods(tmp_path: Path) -> None:
    """Stopped early, gradients are wrong while objectives are nearly right; left alone, methods are exact."""
    report = run("first_order_methods", tmp_path / "made", points=12)
    assert set(report.races) == {"PDG", "ADMM", "PDHG"} and max(report.exact_errors.values()) <= 1e-9
    for one in report.races.values():
        assert one.gradient[one.last_off] > 0.1 and one.objective[one.last_off] <= 2e-3
        assert np.all(one.gradient[one.last_off + 1 :] <= 0.1) and one.gradient[-1] <= 1e-8
        assert one.objective[-1] <= 1e-12 and one.conditions[-1] <= 1e-6 and one.exact.iterations < 1000
    assert_is_picture(report.figure)


def test_alternating_differentiation(tmp_path: Path) -> None:
    """Errors of derivatives are those of solutions times a constant; training does not mind truncation."""
    report = run("alternating_differentiation", tmp_path / "made", largest=60, steps=6)
    solution, derivative = report.run.solution, report.run.derivative
    assert solution[-1] < 1e-4 * solution[0] and derivative[-1] < 1e-3 * derivative[0]
    assert report.run.gradient[-1] <= 1e-8 and report.run.exact_at <= 200
    errors = [report.tolerances[f"AltDiff at {one:.0e}"][1] for one in (1e-1, 1e-3, 1e-5)]
    assert errors[0] > errors[2] and errors[2] <= 1e-3
    exact, rough = (report.training[name].losses for name in ("exact", "at 1e-1"))
    assert exact[-1] < 0.5 * exact[0] and rough[-1] < 0.5 * rough[0]
    assert_is_picture(report.figure)


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("svm_sensitivity", "sklearn.datasets"),
        ("ridge_sensitivity", "sklearn.datasets"),
        ("ridge_tuning", "sklearn.datasets"),
        ("relu_layers", "sklearn.datasets"),
        ("alternating_differentiation", "matplotlib"),
        ("dispatch_prices", "matplotlib"),
        ("stigler_diet", "matplotlib"),
        ("optimal_power_flow", "matplotlib"),
        ("first_order_methods", "matplotlib"),
    ],
)
def test_missing_libraries_are_named(name: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library that a tutorial needs the message says what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    extra = "tutorials,torch" if name == "relu_layers" else "tutorials"
    with pytest.raises(ImportError, match=rf"optangent\[{extra}\]"):
        run(name, tmp_path)
