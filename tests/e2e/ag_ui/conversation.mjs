// Drives AG-UI's own HttpAgent, unchanged, through several runs of one thread; prints one JSON line for each.
//   node conversation.mjs PACKAGE   with, on standard input, {url, headers, threadId, steps: [step, …]}
//   step: {say?, answer?, resume?, tools?, runId?, forwardedProps?, hangUpAfter?, stopAfter?} — a number counts events;
//   `answer` is the result for every tool call that has none, `resume` the payload for every pending interrupt
import { readFileSync } from "node:fs";

const { HttpAgent } = await import(process.argv[2]);
const { url, headers, threadId, steps } = JSON.parse(readFileSync(0, "utf8"));
const agent = new HttpAgent({ url, threadId, headers });

async function stop() {
  const other = new HttpAgent({ url, threadId, headers });
  await other.runAgent({ forwardedProps: { stop: {} } });
}

function unanswered() {
  const calls = agent.messages.flatMap((message) => message.toolCalls ?? []);
  return calls.filter((call) => !agent.messages.some((message) => message.toolCallId === call.id));
}

for (const { say, answer, resume, tools, runId, forwardedProps = {}, hangUpAfter, stopAfter } of steps) {
  if (say) agent.messages.push({ id: crypto.randomUUID(), role: "user", content: say });
  for (const { id } of answer ? unanswered() : []) {
    agent.messages.push({ id: crypto.randomUUID(), role: "tool", toolCallId: id, content: answer });
  }
  const entries = (agent.pendingInterrupts ?? []).map(({ id }) => ({ interruptId: id, ...resume }));
  const seen = [];
  let failure = null;
  let result = null;
  try {
    await agent.runAgent(
      { runId, forwardedProps, tools, ...(resume ? { resume: entries } : {}) },
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
  console.log(JSON.stringify({ seen, failure, result, messages: agent.messages, state: agent.state, interrupts: agent.pendingInterrupts ?? null }));
}
