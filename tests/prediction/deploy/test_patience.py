"""Connections that say nothing, or stop in the middle, do not keep others out."""

import asyncio

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra 'serve'")

from qoslab.domains.prediction.deploy.patience import impatient  # noqa: E402

ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def with_server(talk, silence_s):
    config = uvicorn.Config(
        answer, port=0, lifespan="off", log_level="error", limit_concurrency=3, http=impatient(silence_s)
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        return await asyncio.wait_for(talk(port), 60)
    finally:
        await server.shutdown()


async def status(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASK)
    line = await reader.readline()
    await ended(writer)
    return int(line.split()[1])


async def ended(writer):
    writer.close()
    await writer.wait_closed()


def test_silent_connections_are_closed_and_others_served():
    """Three that never ask, or ask by halves, fill the server; they are closed, and the next one is answered."""

    async def talk(port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        silent[1][1].write(ASK[:20])
        await asyncio.sleep(0)
        full = await status(port)
        ends = [await reader.read() for reader, _ in silent]
        for _, writer in silent:
            await ended(writer)
        return full, ends, await status(port)

    assert asyncio.run(with_server(talk, 2.0)) == (503, [b"", b"", b""], 200)


def test_who_asks_may_stay():
    """A connection that asks again and again outlives the silence several times."""

    async def talk(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        found = []
        for _ in range(8):
            writer.write(ASK)
            found.append((await reader.readuntil(b"ok"))[-2:])
            await asyncio.sleep(0.6)
        writer.write(ASK[:20])
        rest = await reader.read()
        await ended(writer)
        return found, rest

    assert asyncio.run(with_server(talk, 2.0)) == ([b"ok"] * 8, b"")
