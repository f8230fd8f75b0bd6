// ioredis finds the master through sentinels and follows every failover.
// usage: ioredis_sentinel.js NAME SENTINEL_PORT ...
// Says "ready" once it has written. Each line that comes in says that the master is gone: it writes again, and says the
// port of the master that took it. Ends with its input.
const Redis = require("ioredis");
const assert = require("node:assert");
const readline = require("node:readline");

const [name, ...ports] = process.argv.slice(2);
const sentinels = ports.map((port) => ({ host: "127.0.0.1", port: Number(port) }));
const common = {
  sentinels,
  name,
  connectTimeout: 500,
  sentinelCommandTimeout: 500,
  sentinelRetryStrategy: () => 50,
  retryStrategy: () => 50,
};
const open = (more) => {
  const client = new Redis({ ...common, maxRetriesPerRequest: null, ...more });
  client.on("error", () => {}); // Said while nobody is there; it tries again.
  return client;
};
// It is told of a new master by `+switch-master`: one that stands still does not close its connections.
const openMaster = () => open({ failoverDetector: true });
let master = openMaster();
const replica = open({ role: "slave" });

const portOf = async (client) => /tcp_port:(\d+)/.exec(await client.info("server"))[1];

async function describe() {
  const first = await portOf(master);
  assert.notStrictEqual(await portOf(replica), first);
  for (const { port } of sentinels) {
    const one = new Redis(port);
    assert.deepStrictEqual(await one.sentinel("get-master-addr-by-name", name), ["127.0.0.1", first]);
    assert.strictEqual((await one.sentinel("slaves", name)).length, 2);
    assert.strictEqual((await one.sentinel("sentinels", name)).length, sentinels.length - 1);
    one.disconnect();
  }
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

/** Whatever this is, or the end. */
async function within(seconds, what, promise) {
  const timer = setTimeout(() => fail(`${what}: not within ${seconds} s`), seconds * 1000);
  const result = await promise;
  clearTimeout(timer);
  return result;
}

/** What this comes to, which may be begun anew with another client. */
async function attempt(work) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      // A client that hears of a new master in the middle of a reconnect is given up by ioredis.
      if (master.status !== "end") throw error;
      master = openMaster();
    }
  }
}

async function main() {
  await within(60, "a first write is taken", attempt(() => master.set("before", "1")));
  assert.strictEqual(await master.wait(2, 5000), 2);
  assert.strictEqual(await replica.get("before"), "1");
  await describe();
  console.log("ready");
  let round = 0;
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    round += 1;
    const key = `after:${round}`;
    const port = attempt(async () => {
      await master.set(key, "1");
      assert.deepStrictEqual(await master.mget("before", key), ["1", "1"]);
      return await portOf(master);
    });
    console.log(await within(60, "a write is taken", port));
  }
  process.exit(0);
}

main().catch(fail);
