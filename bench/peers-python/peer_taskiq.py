"""taskiq-redis: streams, 100 messages per read, acknowledged after the task, taken over after 5 s of idleness instead of ten
minutes, with a lock that times out (its default never does)."""

import asyncio
import logging

from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from message import Log, Trial, run

IN_FLIGHT = 64


def broker_of(redis: str, key: str, member: str) -> RedisStreamBroker:
    return RedisStreamBroker(
        redis,
        queue_name=key,
        consumer_group_name="bench",
        consumer_name=member,
        consumer_id="0",
        xread_count=100,
        xread_block=100,
        idle_timeout=5000,
        unacknowledged_lock_timeout=10,
    )


async def produce(redis: str, key: str, trial: Trial) -> None:
    broker = broker_of(redis, key, "producer")

    @broker.task(task_name="handle")
    async def handle(body: str) -> None:
        pass

    await broker.startup()

    async def worker(turn: int) -> None:
        # Every worker has aggregates of its own, so that the order within each is kept.
        for number in range(trial.events):
            if number % trial.aggregates % IN_FLIGHT == turn:
                await handle.kiq(await trial.message(number))

    await asyncio.gather(*(worker(turn) for turn in range(IN_FLIGHT)))
    await broker.shutdown()


async def consume(redis: str, key: str, member: str, log: Log) -> None:
    logging.basicConfig(level=logging.WARNING)
    broker = broker_of(redis, key, member)

    @broker.task(task_name="handle")
    async def handle(body: str) -> None:
        log.handle(body)

    await broker.startup()
    await run_receiver_task(broker, run_startup=False, max_async_tasks=64)


if __name__ == "__main__":
    run(produce, consume)
