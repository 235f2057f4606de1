"""Dense quadratic programs in stacks, by one factorization of P and a Schur complement of the rows (`OptNet`)."""

__all__ = ["active_rows", "arrays", "duals", "interior_point", "program", "rays", "stacked_points", "stacked_solver"]
