"""Solvers that iterate an operator, and differentiate by iterating its linearization or the transpose of that."""

__all__: list[str] = []
