"""The page about the engine: its snippets, put together, print what it says they print."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "engine.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.S | re.M)


def test_the_page_prints_what_it_says(tmp_path, python):
    (tmp_path / "page.py").write_text("\n".join(blocks("python")))
    assert python("import page") == "".join(blocks("text")).strip()
