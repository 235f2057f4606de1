"""Without JAX: nothing needs it but its layer, and that says what to install."""

import subprocess
import sys

import pytest

import optangent as ot


def test_importing_the_library_does_not_import_jax() -> None:
    """JAX, which takes a second to import, is left alone until its layer is asked for."""
    program = "import sys, optangent as ot; print('jax' in sys.modules, 'JaxLayer' in dir(ot.layers))"
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_without_jax_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for the layer where JAX is not installed says which extra brings it."""
    monkeypatch.delitem(vars(ot.layers), "JaxLayer", raising=False)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ot.MissingDependency, match=r'JaxLayer needs jax: pip install "optangent\[jax\]"'):
        _ = ot.layers.JaxLayer
