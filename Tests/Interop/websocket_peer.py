# SPDX-License-Identifier: Apache-2.0
"""WebSocket peers by the library that people use.

usage: websocket_peer.py serve PORT | websocket_peer.py call HOST:PORT
"""
import asyncio
import sys

import websockets.asyncio.client
import websockets.asyncio.server


async def echo(connection) -> None:
    async for message in connection:
        await connection.send(message)


async def serve(port: str) -> None:
    async with websockets.asyncio.server.serve(echo, "127.0.0.1", int(port), max_size=4 << 20):
        await asyncio.sleep(120)


async def call(target: str) -> None:
    async with websockets.asyncio.client.connect(f"ws://{target}/chat", max_size=4 << 20, proxy=None) as connection:
        for message in ["hello", "x" * 70_000, bytes(range(256)) * 4096]:
            await connection.send(message)
            assert await asyncio.wait_for(connection.recv(), 20) == message
        waiter = await connection.ping()
        await asyncio.wait_for(waiter, 20)
    assert connection.close_code == 1000
    print("ok")


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2]) if sys.argv[1] == "serve" else call(sys.argv[2]))
