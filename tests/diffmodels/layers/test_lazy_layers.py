"""The namespace of layers: nothing is imported before it is used."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_library_imports_no_framework() -> None:
    """A framework is imported when its layer is first asked for, and without it an error names the extra."""
    program = """
import sys, optangent as ot
assert not any(library in sys.modules for _, library in ot.layers._LAYERS.values())
for name, (_, library) in ot.layers._LAYERS.items():
    assert name in dir(ot.layers)
    sys.modules[library] = None
    try:
        getattr(ot.layers, name)
    except ot.MissingDependency as error:
        assert str(error) == f'{name} needs {library}: pip install "optangent[{library}]"'
        print(name)
try:
    ot.layers.KerasLayer
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], text=True, capture_output=True, check=True)
    names = ["TorchLayer", "JaxLayer", "DeclarativeNode", "CvxpyLayer", "CvxpylayersSolver"]
    assert done.stdout.split()[:5] == names
    assert "has no attribute 'KerasLayer'; there are TorchLayer" in done.stdout
