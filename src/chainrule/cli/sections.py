"""Commands with many options: `--help` shows them in sections."""

from __future__ import annotations

from typing import Any

import click


class SectionedOption(click.Option):
    """An option that says under which heading `--help` lists it.

    Parameters
    ----------
    *names : Any
        As of `click.Option`.
    section : str
        The heading.
    **settings : Any
        As of `click.Option`.
    """

    def __init__(self, *names: Any, section: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose options stand in sections, in the order in which they were declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a list under each heading."""
        rows: dict[str, list[tuple[str, str]]] = {}
        rest: list[tuple[str, str]] = []
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None and isinstance(option, SectionedOption):
                rows.setdefault(option.section, []).append(record)
            elif record is not None:
                rest.append(record)
        for heading, entries in (*rows.items(), ("Other options" if rows else "Options", rest)):
            if entries:
                with formatter.section(heading):
                    formatter.write_dl(entries)
