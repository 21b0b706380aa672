// Drives AG-UI's own HttpAgent, unchanged, through several runs of one thread, for as many jobs as it is given.
//   node conversation.mjs PACKAGE   with, on standard input, a job a line: {url, headers, threadId, steps: [step, …]}
//   step: {say?, answer?, resume?, tools?, runId?, forwardedProps?, hangUpAfter?, stopAfter?} — a number counts events;
//   `answer` is the result for every tool call that has none, `resume` the payload for every pending interrupt
// Prints one JSON line for each job: what was seen in each step, and what the agent holds after it.
import { createInterface } from "node:readline";

const { HttpAgent } = await import(process.argv[2]);

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await converse(JSON.parse(line))));
}

async function converse({ url, headers, threadId, steps }) {
  const agent = new HttpAgent({ url, threadId, headers });
  const replies = [];
  for (const step of steps) {
    const told = await take(step, agent, () => new HttpAgent({ url, threadId, headers }));
    // As text at once: the agent goes on changing what it holds.
    replies.push(JSON.parse(JSON.stringify(told)));
  }
  return replies;
}

async function take(step, agent, another) {
  const { say, answer, resume, tools, runId, forwardedProps = {}, hangUpAfter, stopAfter } = step;
  if (say) agent.messages.push({ id: crypto.randomUUID(), role: "user", content: say });
  for (const { id } of answer ? unanswered(agent) : []) {
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
          if (seen.length === stopAfter) void another().runAgent({ forwardedProps: { stop: {} } });
        },
        onRunErrorEvent: ({ event }) => {
          failure = event.code ?? "error";
        },
      },
    );
  } catch (error) {
    failure ??= String(error);
  }
  return { seen, failure, result, messages: agent.messages, state: agent.state, interrupts: agent.pendingInterrupts ?? null };
}

function unanswered(agent) {
  const calls = agent.messages.flatMap((message) => message.toolCalls ?? []);
  return calls.filter((call) => !agent.messages.some((message) => message.toolCallId === call.id));
}
