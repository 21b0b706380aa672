// Asks the chain with AG-UI's own HttpAgent and prints, as one JSON line, what it made of the answer.
import { HttpAgent } from "@ag-ui/client";

const { url, token, threadId, prompt } = JSON.parse(process.env.ASK);
const agent = new HttpAgent({ url, threadId, headers: { Authorization: `Bearer ${token}` } });
agent.messages = [{ id: "1", role: "user", content: prompt }];

const events = [];
const arrivals = [];
let failure = null;
try {
  await agent.runAgent(
    { runId: "run-1" },
    {
      onEvent: ({ event }) => {
        events.push(event.type);
        arrivals.push({ type: event.type, made: event.timestamp, arrived: Date.now() });
      },
      onRunErrorEvent: ({ event }) => {
        failure = { code: event.code, message: event.message };
      },
    },
  );
} catch (error) {
  failure ??= { message: String(error) };
}
console.log(JSON.stringify({ events, arrivals, failure, messages: agent.messages }));
