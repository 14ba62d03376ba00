// The tasks client needs a way to send requests of 2026-07-28 past the SDK, which does not
// know their answers.
import assert from "node:assert/strict";
import { DispatchError } from "@modelcontextprotocol/ext-tasks/client";

// dispatcher returns a function that sends a request and returns its result or error.
export function dispatcher(endpoint, protocolVersion) {
  let requests = 0;
  return async (request, options = {}) => {
    const id = `raw-${++requests}`;
    const headers = {
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": protocolVersion,
      "Mcp-Method": request.method,
      ...(request.method === "tools/call" ? { "Mcp-Name": request.params.name } : {}),
      ...options.context?.headers,
    };
    let body;
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        headers,
        body: JSON.stringify({ jsonrpc: "2.0", id, ...request }),
        signal: options.signal,
      });
      body = await response.text();
      if (response.headers.get("Content-Type")?.startsWith("text/event-stream"))
        body = body.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).at(-1);
      body = JSON.parse(body);
    } catch (cause) {
      throw new DispatchError("the request failed", true, { cause });
    }
    assert.equal(body.id, id, "the answer's id");
    return body.error === undefined
      ? { kind: "result", result: body.result }
      : { kind: "error", error: body.error };
  };
}
