"""The one error of a tool, told to the model in words it can act on."""


class ToolError(Exception):
    """A tool could not do what it was asked; the message says why and what would work."""
