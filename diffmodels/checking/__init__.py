"""What `gradcheck` is made of: the numbers of a model, its outputs, their differences and what these say."""

from .verdicts import CheckedNumber, GradCheck, Verdict

__all__ = ["CheckedNumber", "GradCheck", "Verdict"]
