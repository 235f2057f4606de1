"""What a user holds: the `Model`, its variables by the array, their bounds by name, its text, pickles and copies.

`model` is where to begin. Who solves it stands behind `abstract_meta_solver` and is not known here.
"""

__all__: list[str] = []
