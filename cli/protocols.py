"""`srpnet protocols`."""

import click
from rich.console import Console
from rich.table import Column, Table


@click.command("protocols")
def command() -> None:
    """Print what each protocol of `srpnet eval --protocol` does: every choice that moves a score.

    In all of them label 255 of a query is not counted, counts are summed over all episodes before the IoU is taken, and
    the mIoU is the mean over the novel classes.
    """
    from episodes.scoring.protocols import PROTOCOLS

    tables = [protocol.table() for protocol in PROTOCOLS.values()]
    table = Table("", *(Column(name, overflow="fold") for name in PROTOCOLS))
    for choice in tables[0]:
        table.add_row(choice, *(choices[choice] for choices in tables))
    console = Console()
    console.print(table)
    for protocol in PROTOCOLS.values():
        console.print(f"{protocol.name}: {protocol.source}", highlight=False)
