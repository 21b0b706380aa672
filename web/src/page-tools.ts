/**
 * Tools that run in this page: the agent calls them, the page answers, the agent goes on.
 *
 * One worked example. A tool is its declaration, which travels with each question, and a function from the model's
 * arguments to a result. The arguments are the model's word: check them as any input from outside.
 */
import type { Tool } from "@ag-ui/client";
import { THEMES, theme, type Theme } from "./theme";

export interface PageTool extends Tool {
  run: (given: Record<string, unknown>) => unknown;
}

export const PAGE_TOOLS: PageTool[] = [
  {
    name: "set_theme",
    description: "Make the chat page light or dark, or follow the user's system.",
    parameters: {
      type: "object",
      properties: { theme: { type: "string", enum: [...THEMES] } },
      required: ["theme"],
    },
    run: ({ theme: wanted }) => {
      if (!THEMES.includes(wanted as Theme)) throw new Error(`theme must be one of ${THEMES.join(", ")}`);
      theme.value = wanted as Theme;
      return { theme: wanted };
    },
  },
];

/** What the agent is told of the tools. */
export const DECLARATIONS: Tool[] = PAGE_TOOLS.map(({ name, description, parameters }) => ({ name, description, parameters }));

/** The result of a call, as the text of a tool message; a failure is a result that says so. */
export async function runPageTool(name: string, args: string): Promise<string> {
  try {
    const tool = PAGE_TOOLS.find((one) => one.name === name);
    return JSON.stringify(await tool?.run(JSON.parse(args || "{}") as Record<string, unknown>));
  } catch (error) {
    return JSON.stringify({ error: error instanceof Error ? error.message : String(error) });
  }
}
