"""Small quadratic programs as dense arrays, one by one and in stacks."""

__all__ = ["dense_numbers", "dense_qp", "dense_route", "single_qp"]
