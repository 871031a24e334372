"""The error of a calculation."""


class CalculationError(Exception):
    """A calculation failed. The message, for a model or a person, says why, and what would work."""
