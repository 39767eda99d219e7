"""The payload that every peer carries, and the log in which every handled message is one line."""

import asyncio
import json
import os
import sys
import time

BYTES = 300


def micros() -> int:
    return time.time_ns() // 1000


class Trial:
    def __init__(self, events: str, aggregates: str, rate: str) -> None:
        self.events, self.aggregates, self.rate = int(events), int(aggregates), float(rate)
        self.began, self.began_at = time.monotonic(), micros()

    async def message(self, number: int) -> str:
        """Message `number`, at its time."""
        moment = micros()
        if self.rate > 0:
            offset = number / self.rate
            wait = self.began + offset - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            moment = self.began_at + int(offset * 1e6)
        body = {"a": number % self.aggregates + 1, "n": number // self.aggregates + 1, "t": moment, "p": ""}
        body["p"] = "x" * (BYTES - len(json.dumps(body, separators=(",", ":"))))
        return json.dumps(body, separators=(",", ":"))


class Log:
    """Lines `aggregate number intended handled`, each written at once."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def handle(self, payload: str | bytes | dict) -> None:
        body = payload if isinstance(payload, dict) else json.loads(payload)
        os.write(self.file, f"{body['a']} {body['n']} {body['t']} {micros()}\n".encode())


def run(produce, consume) -> None:
    """`<program> produce <redis> <key> <events> <aggregates> <rate>` or `<program> consume <redis> <key> <member> <log>`."""
    import uvloop

    what, redis, key, *rest = sys.argv[1:]
    if what == "produce":
        began = time.monotonic()
        uvloop.run(produce(redis, key, Trial(*rest)))
        print(json.dumps({"seconds": time.monotonic() - began}))
    else:
        member, log = rest
        uvloop.run(consume(redis, key, member, Log(log)))
