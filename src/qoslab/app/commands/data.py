"""`qoslab data`: find, fetch and import data files."""

from __future__ import annotations

from cyclopts import App

__all__ = ["app"]

app = App(name="data", help="List, fetch, import or find datasets.", result_action="return_value")
