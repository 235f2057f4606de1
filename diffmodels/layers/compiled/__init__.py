"""The compiled form of a model: sparse maps from parameters to a matrix form, and from its solution to outputs.

`compiling` makes it; `chain_rule` holds the maps (`data_map`, `form_derivative`);
`compiled_route` solves and differentiates any of them, `dense_route` small quadratic programs by `dense_qp` and
`single_qp`.
"""

__all__: list[str] = []
