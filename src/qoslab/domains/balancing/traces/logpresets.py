"""The log formats that proxies write by themselves, or that their manuals show."""

from __future__ import annotations

from functools import cache

from qoslab.domains.balancing.traces.logformat import Dialect, LineFormat, compile_format

__all__ = ["NAMES", "preset"]

_COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
_PRESETS: dict[str, tuple[Dialect, str]] = {
    # HAProxy configuration manual 2.8, section 8.2: option httplog and option tcplog; before 1.7 with %t and five
    # timers Tq/Tw/Tc/Tr/Tt.
    "haproxy-http": (
        "haproxy",
        "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r",
    ),
    "haproxy-tcp": ("haproxy", "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"),
    # nginx: `combined` is built in and has no times; the others are what its manual and the common guides add.
    "nginx-timed-upstream": ("nginx", _COMBINED + " $request_time $upstream_response_time $upstream_addr"),
    "nginx-upstream-timed": ("nginx", _COMBINED + " $upstream_addr $request_time $upstream_response_time"),
    "nginx-keyed": (
        "nginx",
        _COMBINED + ' rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" '
        'urt="$upstream_response_time" ua="$upstream_addr"',
    ),
    "nginx-timed": ("nginx", _COMBINED + " $request_time $upstream_response_time"),
    "nginx-request-time": ("nginx", _COMBINED + " $request_time"),
    "nginx-combined": ("nginx", _COMBINED),
}

NAMES = tuple(_PRESETS)
"""Known formats; of several that fit, the first is taken."""


@cache
def preset(name: str) -> LineFormat:
    """A known format by its name in `NAMES`."""
    dialect, text = _PRESETS[name]
    return compile_format(text, dialect)
