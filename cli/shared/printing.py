"""Lines and names on the terminal, in which nothing that came with data can act."""

from rich.console import Console
from rich.text import Text

from episodes.names import for_display, for_terminal


def say(console: Console, line: str, style: str = "") -> None:
    """Print a line as it is: neither rich's markup nor control characters of a name mean anything in it."""
    console.print(Text(for_terminal(line), style), soft_wrap=True)


def cell(name: str) -> Text:
    """A name in a table."""
    return Text(for_display(name))
