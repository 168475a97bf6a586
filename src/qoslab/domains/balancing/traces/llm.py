"""Requests of language-model services: tokens in and tokens out as seconds of service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.workload import Trace, read_trace

__all__ = ["CONTEXT_S", "GENERATED_S", "SOURCE", "read_llm"]

CONTEXT_S = 1e-4
"""Seconds of service for one token of context."""
GENERATED_S = 0.03
"""Seconds of service for one generated token."""
SOURCE = (
    "service time = {:g} s x context tokens + {:g} s x generated tokens; the two factors are our choice (the order "
    "of a large model on one multi-GPU server, one request at a time), not measured with the trace: put in your own"
)


def read_llm(path: str | Path, *, context_s: float = CONTEXT_S, generated_s: float = GENERATED_S) -> Trace:
    """Read a trace with columns TIMESTAMP, ContextTokens, GeneratedTokens (Azure LLM inference, 2023).

    The trace tells when requests came and how many tokens went in and out, not how long they took. Reading the
    context is done for all tokens at once and writing one token after the other, so a linear law with two
    factors has the right shape (Patel et al., Splitwise, ISCA 2024, separate the same two phases).

    Args:
        path: The CSV file.
        context_s: Seconds for a token of context.
        generated_s: Seconds for a generated token.

    Returns:
        The trace with service times.

    Raises:
        BadInput: The file cannot be read, or a factor is negative or both are zero.
    """
    if not (context_s >= 0 and generated_s >= 0 and context_s + generated_s > 0):
        message = (
            f"context_s = {context_s:g} and generated_s = {generated_s:g} must not be negative, nor both zero"
        )
        raise BadInput(message)
    trace = read_trace(
        path, time="TIMESTAMP", size={"ContextTokens": context_s, "GeneratedTokens": generated_s}
    )
    return replace(trace, notes=(*trace.notes, SOURCE.format(context_s, generated_s)))
