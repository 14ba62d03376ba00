// Runs the official tasks client, @modelcontextprotocol/ext-tasks, against a server in one
// generation of the protocol: exttasks.mjs ENDPOINT modern|legacy. Prints a line of JSON
// for each step: its name and, if it failed, the error.
import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  createTaskSessionFromClient,
  resultFromTaskOutcome,
} from "@modelcontextprotocol/ext-tasks/client";
import { dispatcher } from "./dispatch.mjs";
import { pause, report, text } from "./steps.mjs";

const [endpoint, era] = process.argv.slice(2);
const modern = era === "modern";
const protocolVersion = modern ? "2026-07-28" : "2025-11-25";
const clientInfo = { name: "interop", version: "1.0.0" };
const clientCapabilities = { elicitation: {} };

// connect returns a peer: a client with its own connection and session, the questions that
// it was asked, and the errors that the tasks client reported.
async function connect(answer) {
  const client = new Client(clientInfo, {
    capabilities: clientCapabilities,
    versionNegotiation: { mode: modern ? "auto" : "legacy" },
  });
  const transport = new StreamableHTTPClientTransport(new URL(endpoint));
  await client.connect(transport);
  assert.equal(client.getProtocolEra(), era);
  const peer = { client, asked: [], errors: [] };
  peer.session = createTaskSessionFromClient(client, {
    endpointId: "interop",
    onError: (error) => peer.errors.push(error),
    ...(answer && {
      onInputRequest: async (request, context) => {
        peer.asked.push({ request, context });
        return answer(request, context);
      },
    }),
    ...(modern && {
      rawDispatch: dispatcher(endpoint, protocolVersion),
      v2RequestFraming: { protocolVersion, clientInfo, clientCapabilities },
    }),
  });
  peer.call = (name, args = {}, options = {}) =>
    peer.session.callTool(name, args, { task: { preference: "require" }, ...options });
  peer.close = async () => {
    await peer.session.close();
    if (!modern) await transport.terminateSession();
    await client.close();
  };
  return peer;
}

// peers runs a step with as many peers as it has parameters. All their questions are
// answered by answer. An error that a peer's tasks client reported fails the step.
function peers(step, answer) {
  return async () => {
    const all = [];
    const errors = [];
    try {
      for (let i = 0; i < step.length; i++) all.push(await connect(answer));
      await step(...all);
    } catch (error) {
      errors.push(error);
    }
    for (const peer of all) {
      await peer.close().catch((error) => errors.push(error));
      errors.push(...peer.errors);
    }
    if (errors.length > 0) throw errors.length > 1 ? new AggregateError(errors) : errors[0];
  };
}

// accept answers every form as the server's tools expect.
const accept = () => ({ action: "accept", content: { confirm: true, name: "Alice" } });

const settled = async (execution) => (await execution.settle()).outcome;
const resulting = async (execution) => text(resultFromTaskOutcome(await settled(execution)));

// The generations differ in what a tool's error is: a result, or a failed task.
async function failed(execution, code, words) {
  const outcome = await settled(execution);
  assert.equal(outcome.status, "failed");
  assert.match(outcome.error.message, words);
  assert.equal(outcome.error.code, modern ? code : undefined);
}

// handOver returns what a host would save. A session that closes cancels the tasks that it
// drives, and also one that it has handed over until that has settled.
async function handOver(execution) {
  let saved;
  await execution.handoff((reference) => (saved = JSON.stringify(reference)));
  await execution.result();
  return saved;
}

const unknown = (error) => error.code === -32602 && !/internal|sql|store/i.test(error.message);

const steps = {
  "plain tool": peers(async (peer) => {
    const execution = await peer.session.callTool("greet", { name: "World" });
    assert.equal(execution.kind, "immediate");
    assert.equal(await resulting(execution), "Hello, World!");
  }),

  "handle to result": peers(async (peer) => {
    const execution = await peer.call("slow_compute", { seconds: 1, label: "interop" });
    assert.equal(execution.kind, "task");
    const seen = [];
    const { outcome } = await execution.settle({
      onEvent: (event) => event.type === "task" && seen.push(event.task.status),
    });
    assert.match(text(resultFromTaskOutcome(outcome)), /^interop: /);
    assert.equal(seen[0], "working");
    assert.equal(seen.at(-1), "completed");
  }),

  "twenty at once": peers(async (peer) => {
    const labels = Array.from({ length: 20 }, (_, i) => `task ${i}`);
    const results = await Promise.all(
      labels.map(async (label) => resulting(await peer.call("slow_compute", { seconds: 0.2, label }))),
    );
    assert.deepEqual(results.map((result) => result.split(":")[0]), labels);
  }),

  "question to answer": peers(async (peer) => {
    const execution = await peer.call("confirm_delete", { filename: "a.txt" });
    assert.equal(await resulting(execution), "a.txt was deleted");
    assert.equal(peer.asked.length, 1);
    const [{ request, context }] = peer.asked;
    assert.equal(request.kind, "elicitation");
    assert.equal(request.params.message, "Delete a.txt?");
    assert.equal(context.scope, "task");
    assert.equal(context.taskId, execution.handle.taskId);
  }, accept),

  "question declined": peers(async (peer) => {
    const execution = await peer.call("confirm_delete", { filename: "b.txt" });
    assert.equal(await resulting(execution), "b.txt was kept");
    assert.equal(peer.asked.length, 1);
  }, () => ({ action: "decline" })),

  "two questions at once": peers(async (peer) => {
    const execution = await peer.call("multi_input");
    assert.equal(await resulting(execution), "2 questions were answered");
    assert.deepEqual(
      peer.asked.map(({ request }) => request.params.message).sort(),
      ["Go on?", "What is your name?"],
    );
  }, accept),

  "question before the task": peers(async (peer) => {
    const execution = await peer.call("test_tool_with_task");
    assert.equal(execution.kind, "task");
    assert.equal(await resulting(execution), "Hello, Alice!");
    assert.deepEqual(peer.asked.map(({ context }) => context.scope), [modern ? "request" : "task"]);
  }, accept),

  "ten questioned tasks at once": peers(async (peer) => {
    const files = Array.from({ length: 10 }, (_, i) => `${i}.txt`);
    const results = await Promise.all(
      files.map(async (filename) => resulting(await peer.call("confirm_delete", { filename }))),
    );
    assert.deepEqual(results, files.map((filename) => `${filename} was deleted`));
    assert.equal(peer.asked.length, files.length);
  }, accept),

  "tool error": peers(async (peer) => {
    const execution = await peer.call("failing_job");
    if (!modern) return failed(execution, undefined, /^the job failed/);
    const result = resultFromTaskOutcome(await settled(execution));
    assert.equal(result.isError, true);
    assert.match(text(result), /^the job failed/);
  }),

  "protocol error": peers(async (peer) => {
    await failed(await peer.call("protocol_error_job"), -32603, /^the job broke the protocol/);
  }),

  cancel: peers(async (peer) => {
    const execution = await peer.call("slow_compute", { seconds: 60, label: "cancel" });
    await execution.cancel();
    assert.equal((await settled(execution)).status, "cancelled");
    const task = peer.session.task(execution.handle.taskId);
    assert.equal((await task.snapshot()).status, "cancelled");
    assert.equal((await task.result()).status, "cancelled");
    if (modern) await task.cancel(); // again: acknowledged
    else await assert.rejects(task.cancel(), unknown);
  }),

  "cancel a question": peers(async (first, second) => {
    const execution = await first.call("confirm_delete", { filename: "c.txt" });
    while (first.asked.length === 0) await pause(50);
    const task = second.session.task(execution.handle.taskId);
    await task.cancel();
    assert.equal((await task.result()).status, "cancelled");
  }, () => new Promise(() => {})), // the user does not answer

  // The first user takes time to answer while the second client polls. If that were asked,
  // it would decline. On 2026-07-28 every client that sees the question may answer.
  ...(!modern && {
    "an onlooker": (() => {
      let first = true;
      return peers(async (maker, onlooker) => {
        const execution = await maker.call("confirm_delete", { filename: "e.txt" });
        const result = resulting(execution);
        while (maker.asked.length === 0) await pause(50);
        const task = onlooker.session.task(execution.handle.taskId);
        for (let i = 0; i < 5; i++) {
          assert.equal((await task.snapshot()).status, "input_required");
          await pause(100);
        }
        assert.equal(await result, "e.txt was deleted");
        assert.equal(onlooker.asked.length, 0);
      }, async () => {
        if (!first) return { action: "decline" };
        first = false;
        await pause(3000);
        return accept();
      });
    })(),
  }),

  "hand-over and resume": peers(async (first, second) => {
    const execution = await first.call("slow_compute", { seconds: 2, label: "handed over" });
    const saved = await handOver(execution);
    await first.session.close();
    const resumed = await second.session.resumeTask(JSON.parse(saved));
    assert.equal(resumed.handle.taskId, execution.handle.taskId);
    assert.match(await resulting(resumed), /^handed over: /);
  }),

  "resume when it has ended": peers(async (first, second) => {
    const execution = await first.call("slow_compute", { seconds: 0, label: "ended" });
    const saved = JSON.stringify(execution.serializeReference());
    const result = await resulting(execution);
    const resumed = await second.session.resumeTask(JSON.parse(saved));
    assert.equal(await resulting(resumed), result);
  }),

  // The question is asked after the first client has closed: a client that is asked while
  // it hands over a task declines.
  "hand over a question": peers(async (first, second) => {
    const execution = await first.call("confirm_delete", { filename: "d.txt", seconds: 2 });
    const saved = await handOver(execution);
    await first.close();
    first.close = async () => {};
    const resumed = await second.session.resumeTask(JSON.parse(saved));
    assert.equal(await resulting(resumed), "d.txt was deleted");
    assert.equal(second.asked.length, 1);
  }, accept),

  "unknown id": peers(async (peer) => {
    const task = peer.session.task("no-such-task");
    await assert.rejects(task.snapshot(), unknown);
    await assert.rejects(task.cancel(), unknown);
    if (modern) await assert.rejects(task.update({}), unknown);
    await assert.rejects(
      peer.session.resumeTask({
        endpointId: "interop",
        generation: modern ? "v2" : "v1",
        taskId: "no-such-task",
        originalOperation: "tools/call",
      }),
      unknown,
    );
  }),

  // The server has no authentication, so it cannot tell owners apart.
  "no list for strangers": peers(async (peer) => {
    assert.equal(peer.session.capabilities.inventory, "known-handles");
    await assert.rejects(peer.session.listTasks());
  }),
};

await report(steps);
