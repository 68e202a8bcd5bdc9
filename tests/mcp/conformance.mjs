// What a TypeScript client of MCP sees of pi-rag, as one JSON text on the last line of standard output.
//
//   node conformance.mjs '{"modules": DIR, "sdk": "v1" | "v2", "era": "legacy" | "auto",
//                          "command": [...] or "socket": PATH, "calls": [[TOOL, ARGUMENTS], ...]}'
//
// It goes over the command's standard input and output, or over the socket. It tells when progress was heard
// and when the call that is to be cancelled was sent, and waits for a line before it cancels, so that the test
// can see to it that there is something to wait for.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { createInterface } from "node:readline";

const asked = JSON.parse(process.argv[2]);
const require = createRequire(asked.modules + "/x.mjs");
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const tell = (event, value = {}) => console.log(JSON.stringify({ event, ...value }));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function parts() {
  if (asked.sdk === "v2") {
    const all = await load("@modelcontextprotocol/client");
    return { ...all, ...(await load("@modelcontextprotocol/client/stdio")) };
  }
  return {
    ...(await load("@modelcontextprotocol/sdk/client/index.js")),
    ...(await load("@modelcontextprotocol/sdk/client/stdio.js")),
    ...(await load("@modelcontextprotocol/sdk/client/streamableHttp.js")),
  };
}

async function transport(sdk) {
  if (asked.command) {
    const [command, ...args] = asked.command;
    return new sdk.StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });
  }
  const undici = await load("undici");
  const dispatcher = new undici.Agent({ connect: { socketPath: asked.socket } });
  const fetch = (url, init) => undici.fetch(url, { ...init, dispatcher });
  return new sdk.StreamableHTTPClientTransport(new URL("http://localhost/mcp"), { fetch });
}

const sdk = await parts();
const options = asked.sdk === "v2" ? { versionNegotiation: { mode: asked.era } } : {};
const client = new sdk.Client({ name: "conformance", version: "3" }, options);
const way = await transport(sdk);
const seen = {};
const agreed = way.setProtocolVersion?.bind(way);
way.setProtocolVersion = (revision) => {
  seen.revision = revision;
  agreed?.(revision);
};
await client.connect(way);

const call = (name, args, more) =>
  asked.sdk === "v2"
    ? client.callTool({ name, arguments: args }, more)
    : client.callTool({ name, arguments: args }, undefined, more);

seen.server = client.getServerVersion();
seen.instructions = client.getInstructions();
if (asked.sdk === "v2") seen.revision = client.getNegotiatedProtocolVersion();
seen.tools = (await client.listTools()).tools;

seen.calls = [];
for (const [name, args] of asked.calls) {
  try {
    seen.calls.push(await call(name, args));
  } catch (error) {
    seen.calls.push({ thrown: error.message, code: error.code });
  }
}

seen.templates = (await client.listResourceTemplates()).resourceTemplates;
seen.read = await client.readResource({ uri: "pi-rag://document/1" });

tell("progress wanted");
await lines.next();
let heard = 0;
const onprogress = (progress) => heard++ === 0 && tell("progress", { progress });
seen.waited = await call("ingest", { text: "The well is deep.", source: "well.md" }, { onprogress });
seen.heard = heard;

const stop = new AbortController();
tell("cancel wanted");
await lines.next();
const cancelled = call("ingest", { text: "The roof is new.", source: "roof.md" }, { signal: stop.signal });
tell("sent");
await lines.next();
stop.abort("enough");
seen.cancelled = await cancelled.then((answer) => ({ answer }), (error) => ({ thrown: String(error) }));
tell("cancelled");
await lines.next();
seen.after = await call("status", {});

await client.close();
tell("seen", { seen });
process.exit(0);
