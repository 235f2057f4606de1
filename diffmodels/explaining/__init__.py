"""What a solution says to a person: ranges, paths, predictions, certificates, conflicts, as tables by the user's names.

`explainer` is the door: what `Model` is asked in these matters it passes on to an `Explainer`.
"""

__all__: list[str] = []
