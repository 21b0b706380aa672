/** A server on loopback whose every answer a test writes itself, byte by byte, over a real socket. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface Asked {
  headers: IncomingMessage["headers"];
  body: Record<string, any>;
}

export type Answer = (response: ServerResponse, asked: Asked) => unknown;

export class ScriptedServer {
  readonly asked: Asked[] = [];
  #server: Server;

  private constructor(answers: Answer[]) {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const asked = { headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) };
      this.asked.push(asked);
      const answer = answers[Math.min(this.asked.length, answers.length) - 1];
      await answer?.(response, asked);
    });
  }

  static async serve(...answers: Answer[]): Promise<ScriptedServer> {
    const server = new ScriptedServer(answers);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/invocations`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export const started = { type: "RUN_STARTED", threadId: "T", runId: "R" };
export const finished = { type: "RUN_FINISHED", threadId: "T", runId: "R" };
export const opened = { type: "TEXT_MESSAGE_START", messageId: "A", role: "assistant" };
export const closed = { type: "TEXT_MESSAGE_END", messageId: "A" };
export const said = (delta: string) => ({ type: "TEXT_MESSAGE_CONTENT", messageId: "A", delta });

/** Event number n of run R, as the agent writes it. */
export const numbered = (n: number, event: object) => `id: R:${n}\ndata: ${JSON.stringify(event)}\n\n`;

export const whole = [started, opened, said("One "), said("two "), said("three."), closed, finished];

export function stream(response: ServerResponse): ServerResponse {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  return response;
}

/** Events first to last (numbers from 1) of a whole answer, and then the end of the response. */
export const events =
  (first: number, last: number, run: object[] = whole): Answer =>
  (response) => {
    stream(response);
    for (let n = first; n <= last; n++) response.write(numbered(n, run[n - 1] as object));
    response.end();
  };

/** The same, and then the connection breaks, in the middle of the event after them. */
export const cutAfter =
  (first: number, last: number, run: object[] = whole): Answer =>
  async (response) => {
    stream(response);
    for (let n = first; n <= last; n++) response.write(numbered(n, run[n - 1] as object));
    const next = numbered(last + 1, run[last] ?? finished);
    await new Promise((resolve) => response.write(next.slice(0, next.length / 2), resolve));
    (response.socket as Socket).destroy();
  };
