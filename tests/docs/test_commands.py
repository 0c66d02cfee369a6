"""The command line and the pages agree."""

import re
from typing import Any

import typer.main

from jobs.cli import app
from tests.docs.pages import page, pages


def commands() -> set[str]:
    """The names of all commands, those in groups as `group command`."""
    return set(names_in(typer.main.get_command(app)))


def names_in(group: Any, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found += names_in(command, f"{prefix}{name} ") if inner else [prefix + name]
    return found


def test_every_command_has_its_place() -> None:
    text = page("docs/cli.md").text
    assert [name for name in sorted(commands()) if f"segments {name}" not in text] == []


def test_named_commands_exist() -> None:
    known = {name.partition(" ")[0] for name in commands()}
    shown = [
        line
        for each in pages()
        for line in [*each.spans(), *"\n".join([*each.blocks(""), *each.blocks("sh")]).splitlines()]
    ]
    named = {match[1] for line in shown if (match := re.match(r"(?:\.venv/bin/)?segments ([a-z][a-z-]*)", line))}
    assert sorted(named - known) == []
