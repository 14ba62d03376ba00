// Runs the SDK's own client of 2025-11-25 tasks against a server,
// @modelcontextprotocol/sdk 1.x: sdk.mjs ENDPOINT. Prints a line of JSON for each
// step: its name and, if it failed, the error.
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { pause, report, text } from "./steps.mjs";

const [endpoint] = process.argv.slice(2);

async function connect(answer) {
  const client = new Client({ name: "interop", version: "1.0.0" }, { capabilities: { elicitation: {} } });
  const transport = new StreamableHTTPClientTransport(new URL(endpoint));
  const peer = { client, tasks: client.experimental.tasks, asked: [] };
  client.setRequestHandler(ElicitRequestSchema, async (request) => {
    peer.asked.push(request.params);
    return answer();
  });
  await client.connect(transport);
  await client.listTools(); // tells the client which tools are tasks

  // call follows a task to its end, by the SDK's own rules.
  peer.call = async (name, args = {}) => {
    const seen = { statuses: [] };
    for await (const message of peer.tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, { task: {} })) {
      if (message.type === "taskCreated") seen.id = message.task.taskId;
      if (message.type === "taskStatus") seen.statuses.push(message.task.status);
      if (message.type === "result") seen.result = message.result;
      if (message.type === "error") seen.error = message.error;
    }
    return seen;
  };
  // start returns the id as soon as there is one. The generator does nothing
  // between its messages.
  peer.start = async (name, args = {}) => {
    const messages = peer.tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, { task: {} });
    const { value } = await messages.next();
    assert.equal(value.type, "taskCreated", JSON.stringify(value));
    return value.task.taskId;
  };
  peer.result = (id) => peer.tasks.getTaskResult(id, CallToolResultSchema);
  peer.close = async () => {
    await transport.terminateSession();
    await client.close();
  };
  return peer;
}

function peers(step, answer) {
  return async () => {
    const all = [];
    try {
      for (let i = 0; i < step.length; i++) all.push(await connect(answer));
      await step(...all);
    } finally {
      for (const peer of all) await peer.close().catch(() => {});
    }
  };
}

const accept = () => ({ action: "accept", content: { confirm: true, name: "Alice" } });
const unknown = (error) => error.code === -32602;

const steps = {
  "plain tool": peers(async (peer) => {
    assert.equal(text(await peer.client.callTool({ name: "greet", arguments: { name: "World" } })), "Hello, World!");
  }),

  "handle to result": peers(async (peer) => {
    const { statuses, result, error } = await peer.call("slow_compute", { seconds: 1, label: "interop" });
    assert.equal(error, undefined);
    assert.match(text(result), /^interop: /);
    assert.equal(statuses.at(-1), "completed");
  }),

  "question to answer": peers(async (peer) => {
    const { id, result, error } = await peer.call("confirm_delete", { filename: "a.txt" });
    assert.equal(error, undefined);
    assert.equal(text(result), "a.txt was deleted");
    assert.equal(peer.asked.length, 1);
    assert.deepEqual(peer.asked[0]._meta["io.modelcontextprotocol/related-task"], { taskId: id });
  }, accept),

  "question declined": peers(async (peer) => {
    const { result } = await peer.call("confirm_delete", { filename: "b.txt" });
    assert.equal(text(result), "b.txt was kept");
    assert.equal(peer.asked.length, 1);
  }, () => ({ action: "decline" })),

  "two questions at once": peers(async (peer) => {
    const { result } = await peer.call("multi_input");
    assert.equal(text(result), "2 questions were answered");
    assert.equal(peer.asked.length, 2);
  }, accept),

  "question before the task": peers(async (peer) => {
    const { result } = await peer.call("test_tool_with_task");
    assert.equal(text(result), "Hello, Alice!");
  }, accept),

  "tool error": peers(async (peer) => {
    const { id, statuses } = await peer.call("failing_job");
    assert.equal(statuses.at(-1), "failed");
    assert.match((await peer.tasks.getTask(id)).statusMessage, /^the job failed/);
    const result = await peer.result(id);
    assert.equal(result.isError, true);
    assert.match(text(result), /^the job failed/);
  }),

  "protocol error": peers(async (peer) => {
    const { id, statuses } = await peer.call("protocol_error_job");
    assert.equal(statuses.at(-1), "failed");
    await assert.rejects(peer.result(id), (error) => error.code === -32603 && /the job broke the protocol/.test(error.message));
  }),

  cancel: peers(async (peer) => {
    const id = await peer.start("slow_compute", { seconds: 60, label: "cancel" });
    assert.equal((await peer.tasks.cancelTask(id)).status, "cancelled");
    assert.equal((await peer.tasks.getTask(id)).status, "cancelled");
    await assert.rejects(peer.tasks.cancelTask(id), unknown);
  }),

  "cancel a question": peers(async (peer, second) => {
    const id = await peer.start("confirm_delete", { filename: "c.txt" });
    while ((await second.tasks.getTask(id)).status !== "input_required") await pause(50);
    assert.equal((await second.tasks.cancelTask(id)).status, "cancelled");
  }, () => new Promise(() => {})), // the user does not answer

  // The first user takes time to answer while the second client polls. If that were asked,
  // it would decline.
  "an onlooker": (() => {
    let first = true;
    return peers(async (maker, onlooker) => {
      const call = maker.call("confirm_delete", { filename: "e.txt" });
      while (maker.asked.length === 0) await pause(50);
      const { taskId } = maker.asked[0]._meta["io.modelcontextprotocol/related-task"];
      for (let i = 0; i < 5; i++) {
        assert.equal((await onlooker.tasks.getTask(taskId)).status, "input_required");
        await pause(100);
      }
      assert.equal(text((await call).result), "e.txt was deleted");
      assert.equal(onlooker.asked.length, 0);
    }, async () => {
      if (!first) return { action: "decline" };
      first = false;
      await pause(3000);
      return accept();
    });
  })(),

  "hand-over and resume": peers(async (first, second) => {
    const id = await first.start("slow_compute", { seconds: 2, label: "handed over" });
    await first.client.close();
    assert.match(text(await second.result(id)), /^handed over: /);
  }),

  "resume when it has ended": peers(async (first, second) => {
    const { id, result } = await first.call("slow_compute", { seconds: 0, label: "ended" });
    assert.deepEqual(await second.result(id), result);
  }),

  "hand over a question": peers(async (first, second) => {
    const id = await first.start("confirm_delete", { filename: "d.txt", seconds: 2 });
    await first.close();
    assert.equal(text(await second.result(id)), "d.txt was deleted");
    assert.equal(second.asked.length, 1);
  }, accept),

  "unknown id": peers(async (peer) => {
    for (const ask of [peer.tasks.getTask, peer.tasks.cancelTask, peer.tasks.getTaskResult])
      await assert.rejects(ask.call(peer.tasks, "no-such-task"), unknown);
  }),

  "no list for strangers": peers(async (peer) => {
    assert.equal(peer.client.getServerCapabilities().tasks.list, undefined);
    await assert.rejects(peer.tasks.listTasks(), (error) => error.code === -32601);
  }),
};

await report(steps);
