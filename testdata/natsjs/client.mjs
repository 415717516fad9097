// A client that uses nats.js. It connects to argv[2] with the token argv[3], prints what
// happens to its connection, one word a line, and publishes each line of its input on
// shop.orders and answers, after a round trip to the server, with "flushed", or with "lost"
// if it has no connection any more. It ends with its input.
import { createInterface } from "node:readline";
import { connect } from "@nats-io/transport-node";

const [servers, token] = process.argv.slice(2);
const nc = await connect({ servers, token, reconnectTimeWait: 100, timeout: 20_000 });
console.log("connected");

(async () => {
  for await (const s of nc.status()) {
    // "ping" is what nats.js itself does now and then.
    if (s.type !== "ping") console.log(s.type, s.error?.message ?? "");
  }
})();
nc.closed().then((err) => console.log("closed", err?.message ?? ""));

for await (const line of createInterface({ input: process.stdin })) {
  try {
    nc.publish("shop.orders", line);
    await nc.flush();
    console.log("flushed");
  } catch {
    console.log("lost");
  }
}
await nc.close();
