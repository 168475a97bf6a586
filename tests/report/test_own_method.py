"""A user's own method in the report: read from its file as text, never executed."""

from qoslab.report.own_method import OwnMethod, own_page

FILE = '''
import sys
sys.exit("this file must not be executed")

@method("influence", "mine", summary="what it does", origin="ours")
@dataclass(frozen=True)
class Mine:
    """Why it should be good.

    Attributes:
        a: a number.
    """

    a: float = 1.5
    b: tuple = tuple(range(3))
    c: int

@policy("quick", summary="a function")
def quick(view, stream):
    """Takes the first."""
'''


def test_a_class_is_read_with_summary_docstring_and_defaults(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    found = own_page(tmp_path / "mine.py", "mine")
    assert found.summary == "what it does"
    assert found.description.startswith("Why it should be good.")
    assert dict(found.defaults) == {"a": 1.5, "b": "tuple(range(3))"}


def test_a_function_is_read_too(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    assert own_page(tmp_path / "mine.py", "quick") == OwnMethod("a function", "Takes the first.", {})


def test_a_file_that_is_gone_or_broken_says_nothing(tmp_path):
    (tmp_path / "broken.py").write_text("x = = 1")
    for name in ("broken.py", "gone.py"):
        assert own_page(tmp_path / name, "mine") == OwnMethod()
