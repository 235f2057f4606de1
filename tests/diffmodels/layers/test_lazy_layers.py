"""The namespace of layers: nothing is imported before it is used."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_library_does_not_import_torch() -> None:
    """PyTorch is imported when its layer is first asked for, and without it an error names the extra."""
    program = """
import sys, optangent as ot
assert "torch" not in sys.modules and "TorchLayer" in dir(ot.layers)
sys.modules["torch"] = None
try:
    ot.layers.TorchLayer
except ot.MissingDependency as error:
    print(error)
try:
    ot.layers.KerasLayer
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], text=True, capture_output=True, check=True)
    assert 'TorchLayer needs torch: pip install "optangent[torch]"' in done.stdout
    assert "has no attribute 'KerasLayer'; there are TorchLayer" in done.stdout
