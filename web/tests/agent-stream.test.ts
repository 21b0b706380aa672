import { afterEach, describe, expect, test } from "vitest";
import type { BaseEvent, Message } from "@ag-ui/client";
import { AgentStream, newMessages, type AgentStreamConfig } from "../src/agent-stream";
import { closed, cutAfter, events, finished, numbered, opened, said, ScriptedServer, started, stream, whole } from "./scripted-server";

let server: ScriptedServer;
afterEach(() => server?.close());

function agentOf(config: Partial<AgentStreamConfig> = {}): AgentStream {
  return new AgentStream({ url: server.url, threadId: "T", idToken: async () => "id-token", ...config });
}

const question: Message = { id: "q1", role: "user", content: "Why?" };

async function ask(agent: AgentStream, messages: Message[] = [question]): Promise<BaseEvent[]> {
  const heard: BaseEvent[] = [];
  agent.messages = messages;
  await agent.runAgent({ runId: "R" }, { onEvent: ({ event }) => void heard.push(event) });
  return heard;
}

const answer = (agent: AgentStream) => agent.messages.at(-1)?.content;

describe("a question", () => {
  test("carries the last message only, the ID token, and no session header", async () => {
    server = await ScriptedServer.serve(events(1, 7));
    const before: Message[] = [{ id: "q0", role: "user", content: "Hello" }, { id: "a0", role: "assistant", content: "Hi" }];
    const agent = agentOf();
    await ask(agent, [...before, question]);
    expect(server.asked[0]?.body.messages).toEqual([question]);
    expect(server.asked[0]?.headers.authorization).toBe("Bearer id-token");
    expect(server.asked[0]?.headers["x-amzn-bedrock-agentcore-runtime-session-id"]).toBeUndefined();
    expect(agent.messages.map((one) => one.id)).toEqual(["q0", "a0", "q1", "A"]);
  });

  test("names its session where the stack asks for it", async () => {
    server = await ScriptedServer.serve(events(1, 7));
    await ask(agentOf({ sessionHeader: true }));
    expect(server.asked[0]?.headers["x-amzn-bedrock-agentcore-runtime-session-id"]).toBe("T");
  });

  test("carries the tool results before it too", () => {
    const result: Message = { id: "t1", role: "tool", toolCallId: "c1", content: "4" };
    const call: Message = { id: "a1", role: "assistant", content: "" };
    expect(newMessages([question, call, result])).toEqual([result]);
    expect(newMessages([question, call, result, { ...question, id: "q2" }]).map((one) => one.id)).toEqual(["t1", "q2"]);
  });
});

describe("a cut answer", () => {
  test.each([1, 2, 3, 4, 5, 6])("goes on after event %i, whole and once", async (last) => {
    const cuts: boolean[] = [];
    server = await ScriptedServer.serve(cutAfter(1, last), events(last + 1, 7));
    const agent = agentOf({ onCut: (cut) => cuts.push(cut) });
    const heard = await ask(agent);
    expect(server.asked[1]?.body).toEqual({ threadId: "T", attach: { runId: "R", after: last } });
    expect(heard.map((one) => one.type)).toEqual(whole.map((one) => one.type));
    expect(answer(agent)).toBe("One two three.");
    expect(cuts).toEqual([true, false]);
  });

  test("ends without a break as well: an agent ends a long response, and the client attaches again", async () => {
    server = await ScriptedServer.serve(events(1, 4), events(5, 7));
    const agent = agentOf();
    await ask(agent);
    expect(answer(agent)).toBe("One two three.");
  });

  test("goes on after several cuts, and over a gateway that is busy meanwhile", async () => {
    const busy = (response: import("node:http").ServerResponse) => response.writeHead(503).end();
    server = await ScriptedServer.serve(cutAfter(1, 2), busy, cutAfter(3, 4), events(5, 7));
    const agent = agentOf();
    await ask(agent);
    expect(answer(agent)).toBe("One two three.");
  });

  test("of which nothing came is asked again as the same run", async () => {
    server = await ScriptedServer.serve((response) => stream(response).end(), events(1, 7));
    const agent = agentOf();
    await ask(agent);
    expect(server.asked[1]?.body).toEqual(server.asked[0]?.body);
    expect(answer(agent)).toBe("One two three.");
  });

  test("without numbers is not continued, for its words would come twice", async () => {
    server = await ScriptedServer.serve((response) => {
      stream(response).end([started, opened, said("One ")].map((one) => `data: ${JSON.stringify(one)}\n\n`).join(""));
    });
    expect((await ask(agentOf())).at(-1)).toMatchObject({ code: "CONNECTION_LOST" });
    expect(server.asked).toHaveLength(1);
  });

  test("that the agent no longer has ends with the agent's own error", async () => {
    const gone = { type: "RUN_ERROR", code: "EVENTS_GONE", message: "Too far behind." };
    server = await ScriptedServer.serve(cutAfter(1, 3), (response) => stream(response).end(`data: ${JSON.stringify(gone)}\n\n`));
    const heard = await ask(agentOf());
    expect(heard.at(-1)).toMatchObject(gone);
  });

  test("is given up when the sign-in no longer counts", async () => {
    server = await ScriptedServer.serve(cutAfter(1, 3), (response) => response.writeHead(401).end("{}"));
    expect((await ask(agentOf())).at(-1)).toMatchObject({ code: "CONNECTION_LOST" });
    expect(server.asked).toHaveLength(2);
  });

  test("takes a fresh token", async () => {
    let tokens = 0;
    server = await ScriptedServer.serve(cutAfter(1, 3), events(4, 7));
    await ask(agentOf({ idToken: async () => `token-${++tokens}` }));
    expect(server.asked[1]?.headers.authorization).toBe("Bearer token-2");
  });
});

test("an answer is heard while it is made, in pieces that cut characters", async () => {
  let release: () => void = () => undefined;
  const heardFirst = new Promise<void>((resolve) => (release = resolve));
  server = await ScriptedServer.serve(async (response) => {
    const bytes = Buffer.from(numbered(1, started) + numbered(2, opened) + numbered(3, said("né ")));
    const inside = bytes.indexOf(Buffer.from("é")) + 1;
    stream(response).write(bytes.subarray(0, inside));
    await new Promise((resolve) => setImmediate(resolve));
    response.write(bytes.subarray(inside));
    await heardFirst;
    response.end(`: keep-alive\n${numbered(4, closed)}${numbered(5, finished)}`);
  });
  const agent = agentOf();
  agent.messages = [question];
  await agent.runAgent({}, { onTextMessageContentEvent: () => release() });
  expect(answer(agent)).toBe("né ");
});

test("an abort ends the reading and sends nothing more", async () => {
  server = await ScriptedServer.serve((response) => void stream(response).write(numbered(1, started)));
  const agent = agentOf();
  agent.messages = [question];
  await agent.runAgent({}, { onRunStartedEvent: () => agent.abortRun() }).catch(() => undefined);
  expect(server.asked).toHaveLength(1);
});

describe("stop", () => {
  test("names the thread and tells whether something ran", async () => {
    server = await ScriptedServer.serve((response) => response.writeHead(200).end('{"stopped":true}'));
    expect(await agentOf().stop()).toBe(true);
    expect(server.asked[0]?.body).toEqual({ threadId: "T", stop: {} });
  });

  test("that is refused stopped nothing", async () => {
    server = await ScriptedServer.serve((response) => response.writeHead(429).end("{}"));
    expect(await agentOf().stop()).toBe(false);
  });
});

test("history and attach send no message of the page's and take the agent's", async () => {
  const snapshot = { type: "MESSAGES_SNAPSHOT", messages: [question, { id: "A", role: "assistant", content: "Kept." }] };
  const kept = [started, snapshot, finished].map((one) => `data: ${JSON.stringify(one)}\n\n`).join("");
  server = await ScriptedServer.serve((response) => stream(response).end(kept));
  const agent = agentOf();
  agent.messages = [{ id: "old", role: "user", content: "Old" }];
  await agent.history();
  expect(server.asked[0]?.body).toMatchObject({ messages: [], forwardedProps: { history: {} } });
  expect(agent.messages.map((one) => one.id)).toEqual(["q1", "A"]);
  await agent.attach();
  expect(server.asked[1]?.body).toMatchObject({ messages: [], forwardedProps: { attach: {} } });
});
