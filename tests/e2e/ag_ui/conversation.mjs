// Drives AG-UI's own HttpAgent, unchanged, through several runs of one thread; prints one JSON line for each.
//   node conversation.mjs PACKAGE   with, on standard input, {url, headers, threadId, steps: [step, …]}
//   step: {say?, runId?, forwardedProps?, hangUpAfter?, stopAfter?} — a number counts events
import { readFileSync } from "node:fs";

const { HttpAgent } = await import(process.argv[2]);
const { url, headers, threadId, steps } = JSON.parse(readFileSync(0, "utf8"));
const agent = new HttpAgent({ url, threadId, headers });

async function stop() {
  const other = new HttpAgent({ url, threadId, headers });
  await other.runAgent({ forwardedProps: { stop: {} } });
}

for (const { say, runId, forwardedProps = {}, hangUpAfter, stopAfter } of steps) {
  if (say) agent.messages.push({ id: crypto.randomUUID(), role: "user", content: say });
  const seen = [];
  let failure = null;
  let result = null;
  try {
    await agent.runAgent(
      { runId, forwardedProps },
      {
        onEvent: ({ event }) => {
          seen.push(event.type);
          if (event.type === "RUN_FINISHED") result = event.result ?? null;
          if (seen.length === hangUpAfter) agent.abortRun();
          if (seen.length === stopAfter) void stop();
        },
        onRunErrorEvent: ({ event }) => {
          failure = event.code ?? "error";
        },
      },
    );
  } catch (error) {
    failure ??= String(error);
  }
  console.log(JSON.stringify({ seen, failure, result, messages: agent.messages, state: agent.state }));
}
