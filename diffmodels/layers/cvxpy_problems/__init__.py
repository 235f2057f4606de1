"""CVXPY's problems as models and as layers, and a solver for the layers of cvxpylayers."""

__all__: list[str] = []
