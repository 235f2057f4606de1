"""Scales of a form are made once for its matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from optangent.modelkit.form import Form
from optangent.modelkit.form.scales import Scales, both_scales
from optangent.modelkit.form.slot_rows import SlotRows


def some_form() -> Form:
    """Two columns, one of them bounded, and a row in odd units."""
    form = Form()
    form.add_columns(2)
    form.set_bounds(np.array([0]), lower=0.0)
    form.add_rows(sp.csr_array([[1e4, 2.0]]), np.zeros(1), np.ones(1))
    return form


def test_scales_stay_while_matrices_and_kinds_of_sides_do() -> None:
    """Other costs and other numbers at sides ask for no new ones; a new bound or another entry does, and rightly."""
    form = some_form()
    first = both_scales(SlotRows(form))
    form.set_objective(None, np.ones(2), 0.0)
    form.set_sides(np.array([0]), -1.0, 3.0)
    assert both_scales(SlotRows(form)) is first
    changes: list[Callable[[], object]] = [
        lambda: form.set_bounds(np.array([1]), upper=1.0),
        lambda: form.set_entries(np.array([0]), np.array([1e-4]), np.array([0])),
        lambda: form.set_objective(sp.csc_array(1e6 * np.eye(2)), np.ones(2), 0.0),
    ]
    for change in changes:
        change()
        rows = SlotRows(form)
        found = both_scales(rows)
        assert found is not first
        for one, shared in zip(found, (False, True), strict=False):
            fresh = Scales(rows, shared=shared)
            np.testing.assert_array_equal(one.column, fresh.column)
            np.testing.assert_array_equal(one.row, fresh.row)
        first = found
