"""Forwards TCP connections from one address to another, on the same ports: forward.py FROM TO PORT...

Machines without IPv4 get their packages through it: apt-cacher-ng does not listen on an IPv6 address of a bridge that nobody is on yet.
"""

import asyncio
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def forward(to, port, reader, writer):
    try:
        ahead_reader, ahead_writer = await asyncio.open_connection(to, port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(copy(reader, ahead_writer), copy(ahead_reader, writer))


async def main(here, to, ports):
    for port in ports:
        await asyncio.start_server(lambda r, w, port=port: forward(to, port, r, w), here, port)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:]]))
