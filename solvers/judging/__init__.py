"""What an answer of a library to a form is worth, whichever library it is."""

__all__: list[str] = []
