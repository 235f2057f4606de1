"""The language of models: functions, sets, attributes, the store and the form.

This package knows no solver, no bridge and no derivative; the others import it, never the reverse.
"""

__all__: list[str] = []
