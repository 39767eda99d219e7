"""FastStream: 100 records per read, acknowledged after handling, and the second subscriber that its documentation asks for
to take over what a dead consumer left, after 5 s."""

import logging

from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, StreamSub

from message import Log, Trial, run

PIPELINE = 100


async def produce(redis: str, key: str, trial: Trial) -> None:
    async with RedisBroker(redis, logger=None) as broker:
        client = await broker.connect()
        for first in range(0, trial.events, PIPELINE):
            numbers = range(first, min(first + PIPELINE, trial.events))
            if trial.rate > 0:
                for number in numbers:
                    await broker.publish(await trial.message(number), stream=key)
            else:
                async with client.pipeline(transaction=False) as pipe:
                    for number in numbers:
                        await broker.publish(await trial.message(number), stream=key, pipeline=pipe)
                    await pipe.execute()


async def consume(redis: str, key: str, member: str, log: Log) -> None:
    logging.basicConfig(level=logging.WARNING)
    broker = RedisBroker(redis, logger=None)

    @broker.subscriber(
        stream=StreamSub(key, group="bench", consumer=member, max_records=100, polling_interval=100),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def fresh(body: str) -> None:
        log.handle(body)

    @broker.subscriber(
        stream=StreamSub(key, group="bench", consumer=member, min_idle_time=5000),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def abandoned(body: str) -> None:
        log.handle(body)

    await FastStream(broker, logger=None).run()


if __name__ == "__main__":
    run(produce, consume)
