import { afterEach, expect, test, vi } from "vitest";
import { exchanges, watchedFetch } from "../src/watch";
import { finished, numbered, ScriptedServer, started, stream } from "./scripted-server";

let server: ScriptedServer;
afterEach(() => server?.close());

const noted = () => exchanges.value[0]?.arrivals.map((one) => one.type) ?? [];

test("a heartbeat is noted when it comes, not with the event after it", async () => {
  let goOn: () => void = () => undefined;
  const seen = new Promise<void>((resolve) => (goOn = resolve));
  server = await ScriptedServer.serve(async (response) => {
    stream(response).write(`${numbered(1, started)}: keep-alive\n`);
    await seen;
    response.write(": keep-alive\n");
    response.end(numbered(2, finished));
  });
  const whole = watchedFetch(server.url, { method: "POST", body: "{}" }).then((response) => response.text());
  await vi.waitFor(() => expect(noted()).toEqual(["RUN_STARTED", "comment"]));
  goOn();
  await whole;
  await vi.waitFor(() => expect(noted()).toEqual(["RUN_STARTED", "comment", "comment", "RUN_FINISHED"]));
});
