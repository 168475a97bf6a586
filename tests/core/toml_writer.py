"""Random trees, and random ways to write one as TOML."""

import datetime
import math
import string

from hypothesis import strategies as st

BARE = string.ascii_letters + string.digits + "_-"
NAMES = st.one_of(
    st.text(BARE, min_size=1, max_size=5),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["a.b", "", "#", '"', "'", "[x]", "ключ", "tab\t", "\U0001f600", "=", "\\"]),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["]", "}", "#no", '"""', "'''", "a\nb", "\n", '""', "x = 1", "[t]", "\\", "a\\\nb", "'", '"']
    ),
)
ZONES = st.none() | st.integers(-1439, 1439).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    st.dates(min_value=datetime.date(1000, 1, 1)),
    st.times(),
    st.datetimes(min_value=datetime.datetime(1000, 1, 1), timezones=ZONES.map(st.just).flatmap(lambda s: s)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=14,
)
TREES = st.dictionaries(NAMES, VALUES, max_size=5)


MARKER = "faultfault"
"""A key or text that is always written plainly, so that a test can find its line."""


class Writer:
    """Writes a tree; each choice of style is drawn."""

    def __init__(self, draw):
        self.draw = draw
        self.end = draw(st.sampled_from(["\n", "\r\n"]))
        self.lines = []

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def write(self, tree):
        self._table((), tree)
        text = self.end.join(self.lines)
        return text + self.pick("", self.end)

    def _table(self, path, table):
        later = []
        for name, value in table.items():
            style = self._style(value)
            if style == "plain":
                self._line(f"{self._key(name)}{self._gap()}={self._gap()}{self._value(value)}")
            elif style == "dotted":
                self._dotted([name], value)
            else:
                later.append((name, value, style))
        for name, value, style in later:
            inner = (*path, name)
            key = (self._gap() + "." + self._gap()).join(self._key(part) for part in inner)
            for item in value if style == "tables" else [value]:
                opened, closed = ("[[", "]]") if style == "tables" else ("[", "]")
                self._line(f"{opened}{self._gap()}{key}{self._gap()}{closed}")
                self._table(inner, item)

    def _style(self, value):
        if isinstance(value, dict):
            return self.pick("plain", "table", "dotted") if value else self.pick("plain", "table")
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return self.pick("plain", "tables")
        return "plain"

    def _dotted(self, names, table):
        for name, value in table.items():
            if isinstance(value, dict) and value and self.draw(st.booleans()):
                self._dotted([*names, name], value)
            else:
                key = (self._gap() + "." + self._gap()).join(self._key(part) for part in [*names, name])
                self._line(f"{key} = {self._value(value)}")

    def _line(self, text):
        if self.draw(st.integers(0, 4)) == 0:
            self.lines.append(self.pick("", "# a = [1", "\t# it's", '# """ ключ'))
        self.lines.append(self._gap() + text + self._gap() + self.pick("", "", "# end ] }"))

    def _gap(self):
        return self.pick("", " ", "", " ", "\t ")

    def _key(self, name):
        if name == MARKER or (name and set(name) <= set(BARE) and self.draw(st.booleans())):
            return name
        return self._one_line(name)

    def _one_line(self, text):
        if (
            "'" not in text
            and all(c == "\t" or (ord(c) > 31 and ord(c) != 127) for c in text)
            and self.pick(0, 1)
        ):
            return f"'{text}'"
        return '"' + "".join(self._escaped(char) for char in text) + '"'

    def _escaped(self, char):
        short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\r": "\\r"}
        if char in short:
            return short[char]
        if ord(char) < 32 or ord(char) == 127 or self.draw(st.integers(0, 9)) == 0:
            return f"\\U{ord(char):08x}" if ord(char) > 0xFFFF or self.pick(0, 1) else f"\\u{ord(char):04X}"
        return char

    def _text(self, text):
        if text == MARKER:
            return f'"{text}"'
        style = self.pick("line", "line", "basic", "literal")
        printable = all(c in "\t\n" or (ord(c) > 31 and ord(c) != 127) for c in text)
        if style == "literal" and printable and "'''" not in text and not text.endswith("'"):
            return "'''" + self.end + text.replace("\n", self.end) + "'''"
        if style == "basic":
            body = "".join(self.end if c == "\n" else '"' if c == '"' else self._escaped(c) for c in text)
            while '"""' in body:
                body = body.replace('"""', '""\\"')
            body += self.pick("", f"\\{self.end}   ") if not body.endswith('"') else ""
            return '"""' + self.end + body + '"""'
        return self._one_line(text)

    def _value(self, value):
        if isinstance(value, dict):
            pairs = [
                f"{self._key(name)}{self._gap()}={self._gap()}{self._value(item)}"
                for name, item in value.items()
            ]
            return "{" + self._gap() + (self._gap() + "," + self._gap()).join(pairs) + self._gap() + "}"
        if isinstance(value, list):
            return self._array(value)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return self._integer(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                return (
                    self.pick("nan", "+nan", "-nan")
                    if math.isnan(value)
                    else f"{value}".replace("inf", "inf")
                )
            return repr(value)
        if isinstance(value, datetime.datetime):
            return value.isoformat(sep=self.pick("T", " "))
        return value.isoformat()

    def _integer(self, value):
        if value >= 0 and self.draw(st.integers(0, 3)) == 0:
            return self.pick(hex, oct, bin)(value)
        return f"{value:_}" if self.pick(0, 1) else str(value)

    def _array(self, items):
        def rest():
            return self.pick("", " ", self.end, f" # ]{self.end}\t", self.end * 2)

        body = (",").join(rest() + self._value(item) + rest() for item in items)
        return "[" + body + (self.pick("", ",") if items else "") + rest() + "]"


@st.composite
def documents(draw, trees=TREES):
    """A TOML document and the tree it was written from."""
    tree = draw(trees)
    return Writer(draw).write(tree), tree
