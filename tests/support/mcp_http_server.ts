/** A small MCP server over HTTP that does as it is told: forgets sessions, fails, wants credentials. */

import { gzipSync } from "node:zlib";

interface Message {
  id?: number | string;
  method: string;
  params?: { name?: string; arguments?: Record<string, unknown>; protocolVersion?: string };
}

export class FakeMcpServer {
  readonly #server: ReturnType<typeof Bun.serve>;
  readonly #sessions = new Set<string>();
  /** `METHOD name session` of each request that came, with who asked. */
  readonly seen: { what: string; userAgent: string | null; version?: string | null }[] = [];
  /** Answers so many of the next messages of that method with that status. */
  fail: { method: string; status: number; times: number } | undefined;
  /** Answers the next of that method with half a body. */
  cut: string | undefined;
  /** Messages of that method wait for it before they are answered. */
  hold: { method: string; until: Promise<void> } | undefined;
  /** Spoken in place of what a client asks for. */
  version: string | undefined;
  /** Wants a bearer token, and gives one to who asks by the rules. */
  readonly wantsToken: boolean;
  #challenge = "";

  constructor(options: { wantsToken?: boolean } = {}) {
    this.wantsToken = options.wantsToken ?? false;
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  get url(): URL {
    return new URL(`${this.origin}/mcp`);
  }

  /** As a server that was started anew. */
  forget(): void {
    this.#sessions.clear();
  }

  count(what: string): number {
    return this.seen.filter((seen) => seen.what.startsWith(what)).length;
  }

  /** Those that are open. */
  get sessions(): number {
    return this.#sessions.size;
  }

  close(): void {
    this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const userAgent = request.headers.get("user-agent");
    const session = request.headers.get("mcp-session-id");
    if (pathname !== "/mcp") {
      this.seen.push({ what: `${request.method} ${pathname}`, userAgent });
      return await this.#authorization(request, pathname);
    }
    const message: Message | undefined = request.method === "POST" ? await request.json() : undefined;
    this.seen.push({
      what: `${request.method} ${message?.method ?? "-"} ${session ?? "-"}`,
      userAgent,
      version: request.headers.get("mcp-protocol-version"),
    });
    if (this.wantsToken && request.headers.get("authorization") !== "Bearer good") {
      const metadata = `${this.origin}/.well-known/oauth-protected-resource`;
      return new Response("", {
        status: 401,
        headers: { "www-authenticate": `Bearer resource_metadata="${metadata}"` },
      });
    }
    if (this.fail && this.fail.method === message?.method && this.fail.times-- > 0) {
      return new Response("not now", { status: this.fail.status });
    }
    if (this.cut !== undefined && this.cut === message?.method) {
      this.cut = undefined;
      const headers = { "content-type": "application/json", "content-encoding": "gzip" };
      return new Response(gzipSync('{"jsonrpc":"2.0"}').subarray(0, 20), { headers });
    }
    if (this.hold?.method === message?.method && message?.method === "initialize") await this.hold!.until;
    if (message?.method === "initialize") {
      const id = crypto.randomUUID();
      this.#sessions.add(id);
      const result = {
        protocolVersion: this.version ?? message.params!.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "fake", version: "1" },
      };
      return Response.json({ jsonrpc: "2.0", id: message.id, result }, { headers: { "mcp-session-id": id } });
    }
    if (session === null || !this.#sessions.has(session))
      return new Response("no such session", { status: 404 });
    if (request.method === "GET") return new Response("", { status: 405 });
    if (request.method === "DELETE") {
      this.#sessions.delete(session);
      return new Response("");
    }
    if (this.hold?.method === message!.method) await this.hold!.until;
    if (message!.id === undefined) return new Response(null, { status: 202 });
    const result =
      message!.method === "tools/list"
        ? { tools: [{ name: "say", inputSchema: { type: "object" } }] }
        : { content: [{ type: "text", text: `said ${message!.params!.arguments!.what}` }] };
    const text = JSON.stringify({ jsonrpc: "2.0", id: message!.id, result });
    return new Response(`event: message\ndata: ${text}\n\n`, {
      headers: { "content-type": "text/event-stream" },
    });
  }

  async #authorization(request: Request, pathname: string): Promise<Response> {
    switch (pathname) {
      case "/.well-known/oauth-protected-resource":
        return Response.json({ resource: this.url.href, authorization_servers: [this.origin] });
      case "/.well-known/oauth-authorization-server":
        return Response.json({
          issuer: this.origin,
          authorization_endpoint: `${this.origin}/authorize`,
          token_endpoint: `${this.origin}/token`,
          registration_endpoint: `${this.origin}/register`,
          response_types_supported: ["code"],
          grant_types_supported: ["authorization_code"],
          code_challenge_methods_supported: ["S256"],
          token_endpoint_auth_methods_supported: ["none"],
        });
      case "/register":
        return Response.json({ ...((await request.json()) as object), client_id: "client" }, { status: 201 });
      case "/token": {
        const form = new URLSearchParams(await request.text());
        const digest = await crypto.subtle.digest(
          "SHA-256",
          new TextEncoder().encode(form.get("code_verifier")!),
        );
        const challenge = new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
        if (form.get("code") !== "code" || challenge !== this.#challenge) {
          return Response.json({ error: "invalid_grant" }, { status: 400 });
        }
        return Response.json({ access_token: "good", token_type: "Bearer", expires_in: 3600 });
      }
      default:
        return new Response("", { status: 404 });
    }
  }

  /** What the user's browser does at the authorization endpoint: it says yes, and comes back with a code. */
  consent(authorizationUrl: URL): string {
    this.#challenge = authorizationUrl.searchParams.get("code_challenge")!;
    return "code";
  }
}
