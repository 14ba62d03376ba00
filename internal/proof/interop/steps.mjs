// Shared by the clients' programs: runs the steps one after the other, each with a timeout,
// and prints their outcomes.
import { setTimeout as pause } from "node:timers/promises";

const most = 30_000;

export { pause };

export async function report(steps) {
  for (const [step, run] of Object.entries(steps)) {
    let error;
    const late = new AbortController();
    try {
      await Promise.race([
        run(),
        pause(most, undefined, { signal: late.signal }).then(() => {
          throw new Error(`not done within ${most} ms`);
        }),
      ]);
    } catch (caught) {
      error = describe(caught);
    }
    late.abort();
    console.log(JSON.stringify({ step, error }));
  }
  process.exit(0); // streams that a failed step left open
}

// describe returns the errors with the first line of each stack that is ours.
function describe(error) {
  const lines = [];
  for (let e = error; e !== undefined && e !== null; e = e.cause) {
    const ours = e.stack?.split("\n").find((line) => /at .*\.mjs:/.test(line) && !line.includes("node_modules"));
    lines.push(String(e), ...(ours === undefined ? [] : [ours.trim()]));
    if (e.data !== undefined) lines.push(`data: ${JSON.stringify(e.data)}`);
    if (e.errors !== undefined) lines.push(...e.errors.map(describe));
  }
  return lines.join("\n");
}

// text returns the text of a result that has one text.
export function text(result) {
  if (result.content?.length !== 1 || result.content[0].type !== "text")
    throw new Error(`not one text: ${JSON.stringify(result)}`);
  return result.content[0].text;
}
