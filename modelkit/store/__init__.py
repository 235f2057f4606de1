"""A model as written: the store, its tables and blocks, and how they are checked, changed, read, copied and deleted.

Nothing here knows how a model is solved. `store` is where to begin; `tables` is what it holds.
"""

__all__: list[str] = []
