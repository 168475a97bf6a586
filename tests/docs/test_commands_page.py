"""The page of commands: every command of the table stands on it, as a line that can be typed."""

from __future__ import annotations

import re
from pathlib import Path

from qoslab.app.table_of_commands import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "commands.md"


def test_every_command_stands_on_the_page_of_commands() -> None:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    shown = {word for block in blocks for word in re.findall(r"^\$ qoslab (\w+)", block, flags=re.MULTILINE)}
    assert shown == {command.name for command in COMMANDS}
