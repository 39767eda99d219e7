// BullMQ: lists, sorted sets and Lua instead of streams; jobs added in bulk, 64 at once, stalled jobs looked for every second.
//
// `node peer-bullmq.js produce <redis> <key> <events> <aggregates> <rate>`
// `node peer-bullmq.js consume <redis> <key> <member> <log>`

import fs from "node:fs";
import { createRequire } from "node:module";

// The packages are installed beside the build's other tools, not in the tree.
const require = createRequire(`${process.env.PEERS_NODE_MODULES}/`);
const { Queue, Worker } = require("bullmq");
const IORedis = require("ioredis");

const BYTES = 300;
const BULK = 500;
const [what, redis, key, ...rest] = process.argv.slice(2);
const client = () => new IORedis.Redis(redis, { maxRetriesPerRequest: null });
const micros = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
const options = { removeOnComplete: true, removeOnFail: true, attempts: 3 };

function body(number, aggregates, moment) {
  const message = { a: (number % aggregates) + 1, n: Math.floor(number / aggregates) + 1, t: moment, p: "" };
  message.p = "x".repeat(BYTES - JSON.stringify(message).length);
  return message;
}

async function produce(events, aggregates, rate) {
  const queue = new Queue(key, { connection: client(), defaultJobOptions: options });
  await queue.waitUntilReady();
  const began = performance.now();
  const beganAt = micros();
  if (rate > 0) {
    const sent = [];
    for (let number = 0; number < events; number++) {
      const offset = (number / rate) * 1000;
      const wait = began + offset - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      sent.push(queue.add("event", body(number, aggregates, beganAt + Math.round(offset * 1000))));
    }
    await Promise.all(sent);
  } else {
    for (let first = 0; first < events; first += BULK) {
      const jobs = [];
      for (let number = first; number < Math.min(first + BULK, events); number++) {
        jobs.push({ name: "event", data: body(number, aggregates, micros()) });
      }
      await queue.addBulk(jobs);
    }
  }
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
  process.exit(0);
}

async function consume(log) {
  const file = fs.openSync(log, "a");
  const worker = new Worker(
    key,
    async (job) => {
      const { a, n, t } = job.data;
      fs.writeSync(file, `${a} ${n} ${t} ${micros()}\n`);
    },
    { connection: client(), concurrency: 64, lockDuration: 5000, stalledInterval: 1000 },
  );
  worker.on("error", (error) => console.error(error.message));
}

if (what === "produce") await produce(Number(rest[0]), Number(rest[1]), Number(rest[2]));
else await consume(rest[1]);
