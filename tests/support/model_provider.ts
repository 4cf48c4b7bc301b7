/** A model that says what it is told: enough of the Responses API for the real codex client to run commands. */

/** One turn of the model: a shell command to run, a tool of an MCP server to call, or the last words. */
export type Turn =
  | { command: string }
  | { server: string; tool: string; arguments: Record<string, unknown> }
  | { say: string };

export interface ModelProvider {
  readonly url: string;
  /** What the client sent as the outcome of each command. */
  readonly outputs: string[];
  /** Everything that the client sent with its first request. */
  readonly prompt: string;
  close(): void;
}

/** Answers one request after another with the next turn. */
export function startModelProvider(turns: readonly Turn[]): ModelProvider {
  const outputs: string[] = [];
  let next = 0;
  let prompt = "";
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      if (!new URL(request.url).pathname.endsWith("/responses")) return new Response("{}", { status: 404 });
      const body = (await request.json()) as { input?: { type?: string; output?: unknown }[] };
      if (next === 0) prompt = JSON.stringify(body);
      const last = body.input?.at(-1);
      if (last?.type === "function_call_output")
        outputs.push(typeof last.output === "string" ? last.output : JSON.stringify(last.output));
      const turn = turns[next++] ?? { say: "nothing more" };
      return new Response(events(turn, next), { headers: { "content-type": "text/event-stream" } });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/v1`,
    outputs,
    get prompt() {
      return prompt;
    },
    close: () => void server.stop(true),
  };
}

function events(turn: Turn, number: number): string {
  const call = { type: "function_call", id: `fc_${number}`, call_id: `call_${number}` };
  const item =
    "command" in turn
      ? { ...call, name: "exec_command", arguments: JSON.stringify({ cmd: turn.command }) }
      : "tool" in turn
        ? {
            ...call,
            namespace: `mcp__${turn.server}`,
            name: turn.tool,
            arguments: JSON.stringify(turn.arguments),
          }
        : {
            type: "message",
            role: "assistant",
            id: `m_${number}`,
            content: [{ type: "output_text", text: turn.say }],
          };
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
  return [
    { type: "response.created", response: { id: `r_${number}` } },
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: { id: `r_${number}`, usage } },
  ]
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join("");
}
