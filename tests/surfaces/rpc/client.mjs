// A client of `realmconf rpc` in another language, with nothing but what comes with Node.
// usage: node client.mjs PYTHON

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const [python] = process.argv.slice(2);
const server = spawn(python, ["-m", "realmconf", "rpc"], { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
const notifications = [];
let notify = () => {};

createInterface({ input: server.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  assert.equal(message.jsonrpc, "2.0");
  if (message.method !== undefined) {
    notifications.push(message);
    notify();
    return;
  }
  const { resolve, reject } = waiting.get(message.id);
  waiting.delete(message.id);
  if (message.error) reject(Object.assign(new Error(message.error.message), message.error));
  else resolve(message.result);
});

let count = 0;
function call(method, params) {
  // Numbers and strings take turns as ids.
  const id = ++count % 2 ? count : `request-${count}`;
  server.stdin.write(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n");
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

async function changed() {
  while (!notifications.length) await new Promise((resolve) => (notify = resolve));
  return notifications.shift();
}

const elsewhere = (...words) => promisify(execFile)(python, ["-m", "realmconf", ...words]);

// The methods of the system that is replaced, with their parameters unchanged.
assert.equal((await call("config/get")).generation, 0);
let written = await call("config/set", { config: { agent: { model: "sonnet", temperature: 1.0 } } });
assert.equal(written.generation, 1);
written = await call("config/patch", { agent: { max_turns: 12 } });
assert.deepEqual(written.config, { agent: { model: "sonnet", temperature: 1, max_turns: 12 } });
written = await call("config/patch", { patch: { agent: { max_turns: 13 } }, expected_generation: 2 });
assert.equal(written.generation, 3);

// What was read and comes back changes nothing, though 1.0 has become 1 here.
const read = await call("config/get");
assert.equal((await call("config/set", { config: read.config })).changed, false);

// A conflict tells what is there now, and the write that was refused can be made again.
const subscribed = await call("config/watch", { after: read.generation });
await elsewhere("set", "agent.model", "opus", "--message", "from another process");
const conflict = await call("config/patch", {
  patch: { agent: { max_turns: 14 } },
  expected_generation: read.generation,
}).then(assert.fail, (error) => error);
assert.equal(conflict.code, -32040);
assert.equal(conflict.message, "generation conflict: expected 3, current 4 (realm team)");
assert.equal(conflict.data.code, "generation_conflict");
assert.equal(conflict.data.current, 4);
written = await call("config/patch", {
  patch: { agent: { max_turns: 14 } },
  expected_generation: conflict.data.current,
});
assert.equal(written.generation, 5);

// Both changes are told: that of the other process, and our own.
const [theirs, ours] = [await changed(), await changed()];
assert.equal(theirs.method, "config/changed");
assert.equal(theirs.params.subscription, subscribed.subscription);
assert.equal(theirs.params.message, "from another process");
assert.equal(theirs.params.surface, "cli");
assert.deepEqual(theirs.params.changes, [
  { pointer: "/agent/model", before: "sonnet", after: "opus" },
]);
assert.deepEqual([ours.params.generation, ours.params.surface], [5, "rpc"]);

// Many writers elsewhere, and every generation comes once and in order.
await Promise.all(Array.from({ length: 8 }, (_, n) => elsewhere("set", `writers.w${n}`, `${n}`)));
for (let generation = 6; generation <= 13; generation++) {
  assert.equal((await changed()).params.generation, generation);
}

await call("config/unwatch", { subscription: subscribed.subscription });
await elsewhere("set", "unseen", "1");
assert.equal((await call("config/get")).generation, 14);
assert.equal(notifications.length, 0);

server.stdin.end();
const code = await new Promise((resolve) => server.on("exit", resolve));
assert.equal(code, 0);
assert.equal(waiting.size, 0);
console.log("done");
