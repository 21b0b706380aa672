/**
 * The user's conversations as this browser remembers them: ids and titles, for the agent keeps no list.
 * The address's fragment names the one that is open.
 */
import { computed, signal } from "@preact/signals";

export interface Thread {
  id: string;
  title: string;
}

const TITLE_CHARS = 60;
const MOST = 100;

export class Threads {
  readonly list = signal<Thread[]>([]);
  readonly open = signal("");
  readonly title = computed(() => this.list.value.find((one) => one.id === this.open.value)?.title);
  readonly #key: string;

  /** `user` keeps the lists of two users of one browser apart. */
  constructor(user: string) {
    this.#key = `agent-stream.threads.${user}`;
    this.list.value = this.#read();
    window.addEventListener("hashchange", () => this.#follow());
    // Another tab of the same user may have begun a conversation.
    window.addEventListener("storage", (event) => {
      if (event.key === this.#key) this.list.value = this.#read();
    });
    this.#follow();
  }

  isKnown(id: string): boolean {
    return this.list.value.some((one) => one.id === id);
  }

  begin(): void {
    window.location.hash = crypto.randomUUID();
  }

  /** Put a conversation on top of the list, under its first question. */
  touch(id: string, question: string): void {
    const known = this.list.value.find((one) => one.id === id);
    const title = known?.title || question.replace(/\s+/g, " ").trim().slice(0, TITLE_CHARS);
    this.#write([{ id, title }, ...this.list.value.filter((one) => one.id !== id)].slice(0, MOST));
  }

  remove(id: string): void {
    this.#write(this.list.value.filter((one) => one.id !== id));
    if (id === this.open.value) this.begin();
  }

  #follow(): void {
    const id = window.location.hash.slice(1);
    // At least 33 characters, for it may become AgentCore's session id.
    if (/^[A-Za-z0-9_-]{33,256}$/.test(id)) this.open.value = id;
    else this.begin();
  }

  #read(): Thread[] {
    try {
      const kept: unknown = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      return Array.isArray(kept) ? kept.filter((one) => typeof one?.id === "string" && typeof one?.title === "string") : [];
    } catch {
      return [];
    }
  }

  #write(list: Thread[]): void {
    this.list.value = list;
    localStorage.setItem(this.#key, JSON.stringify(list));
  }
}
