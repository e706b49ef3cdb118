// How tools are pointed at the gateway: their settings as text, for an address, a model and a key. Pure.

/** Shown in place of a key: keys are stored as digests, so only a new one can be filled in. */
export const KEY_PLACEHOLDER = "YOUR-OMNIROUTE-KEY";

/** @typedef {{base: string, model: string, key: string}} Target `base` is without a version */
/** @typedef {{path?: string, code: string}} Piece something to run, or what stands in a file */
/** @typedef {{id: string, title: string, note: string, pieces: (target: Target) => Piece[]}} Tool */

/**
 * Where tools reach the gateway, as seen from this browser. Behind a reverse proxy and on the
 * gateway's own port that is where the page came from; on the dashboard's port it is the host of the
 * page with the gateway's port.
 * @param {{endpoint: string, dashboard: string}} status @param {URL} page
 */
export function baseOf(status, page) {
  const portOf = (/** @type {URL} */ url) => url.port || (url.protocol === "https:" ? "443" : "80");
  const gateway = new URL(status.endpoint);
  const dashboard = new URL(status.dashboard);
  if (portOf(page) === portOf(dashboard) && portOf(page) !== portOf(gateway)) {
    return `${page.protocol}//${page.hostname}:${portOf(gateway)}`;
  }
  return `${page.origin}${page.pathname.replace(/\/dashboard\/.*$/, "")}`;
}

/** The base URL of each dialect, as the vendor's SDKs take it.
 *  @type {{id: string, title: string, url: (base: string) => string, calls: string[]}[]} */
export const DIALECTS = [
  {
    id: "openai",
    title: "OpenAI",
    url: (base) => `${base}/v1`,
    calls: ["/chat/completions", "/responses", "/completions", "/models"],
  },
  { id: "anthropic", title: "Anthropic", url: (base) => base, calls: ["/v1/messages", "/v1/messages/count_tokens"] },
  {
    id: "gemini",
    title: "Gemini",
    url: (base) => base,
    calls: ["/v1beta/models/…:generateContent", "/v1beta/models/…:streamGenerateContent"],
  },
];

const HELLO = "Say hello in five words.";
/** In single quotes for a shell. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const json = (/** @type {unknown} */ value, indent = 2) => JSON.stringify(value, null, indent);

/** @type {Tool[]} */
export const TOOLS = [
  {
    id: "curl",
    title: "curl",
    note: "endpoint.note.curl",
    pieces: ({ base, model, key }) => [
      {
        code: [
          `curl -N ${base}/v1/chat/completions \\`,
          `  -H ${quoted(`Authorization: Bearer ${key}`)} -H 'Content-Type: application/json' \\`,
          `  -d ${quoted(json({ model, stream: true, messages: [{ role: "user", content: HELLO }] }, 0))}`,
        ].join("\n"),
      },
    ],
  },
  {
    id: "openai",
    title: "OpenAI SDK",
    note: "endpoint.note.sdk",
    pieces: ({ base, model, key }) => [
      {
        code: [
          "from openai import OpenAI",
          "",
          `client = OpenAI(base_url=${json(`${base}/v1`)}, api_key=${json(key)})`,
          "answer = client.chat.completions.create(",
          `    model=${json(model)},`,
          `    messages=[{"role": "user", "content": ${json(HELLO)}}],`,
          ")",
          "print(answer.choices[0].message.content)",
        ].join("\n"),
      },
    ],
  },
  {
    id: "anthropic",
    title: "Anthropic SDK",
    note: "endpoint.note.sdk",
    pieces: ({ base, model, key }) => [
      {
        code: [
          "from anthropic import Anthropic",
          "",
          `client = Anthropic(base_url=${json(base)}, api_key=${json(key)})`,
          "answer = client.messages.create(",
          `    model=${json(model)},`,
          "    max_tokens=200,",
          `    messages=[{"role": "user", "content": ${json(HELLO)}}],`,
          ")",
          "print(answer.content[0].text)",
        ].join("\n"),
      },
    ],
  },
  {
    id: "claude-code",
    title: "Claude Code",
    note: "endpoint.note.claude-code",
    pieces: ({ base, model, key }) => [
      {
        code: [
          `export ANTHROPIC_BASE_URL=${base}`,
          `export ANTHROPIC_AUTH_TOKEN=${key}`,
          `claude --model ${quoted(model)}`,
        ].join("\n"),
      },
    ],
  },
  {
    id: "codex",
    title: "Codex",
    note: "endpoint.note.codex",
    pieces: ({ base, model, key }) => [
      {
        path: "~/.codex/config.toml",
        code: [
          `model = ${json(model)}`,
          'model_provider = "omniroute"',
          "",
          "[model_providers.omniroute]",
          'name = "OmniRoute"',
          `base_url = ${json(`${base}/v1`)}`,
          'wire_api = "responses"',
          'env_key = "OMNIROUTE_KEY"',
        ].join("\n"),
      },
      { code: `export OMNIROUTE_KEY=${key}\ncodex` },
    ],
  },
  {
    id: "cursor",
    title: "Cursor",
    note: "endpoint.note.cursor",
    pieces: ({ base, model, key }) => [
      { code: [`OpenAI API Key            ${key}`, `Override OpenAI Base URL  ${base}/v1`, `Model                     ${model}`].join("\n") },
    ],
  },
  {
    id: "cline",
    title: "Cline",
    note: "endpoint.note.cline",
    pieces: ({ base, model, key }) => [
      {
        code: [
          "API Provider  OpenAI Compatible",
          `Base URL      ${base}/v1`,
          `API Key       ${key}`,
          `Model ID      ${model}`,
        ].join("\n"),
      },
    ],
  },
  {
    id: "openclaw",
    title: "OpenClaw",
    note: "endpoint.note.openclaw",
    pieces: ({ base, model, key }) => [
      {
        path: "~/.openclaw/openclaw.json",
        code: json({
          agents: { defaults: { model: { primary: `omniroute/${model}` } } },
          models: {
            providers: {
              omniroute: {
                baseUrl: `${base}/v1`,
                apiKey: key,
                api: "openai-completions",
                models: [{ id: model, name: model }],
              },
            },
          },
        }),
      },
    ],
  },
];

/** Every name that can be asked for: combos, then models of providers that can answer, then aliases
 *  without a wildcard. Pure. @param {any} catalog of GET /api/models/catalog @returns {string[]} */
export function modelNames(catalog) {
  const models = catalog.providers
    .filter((/** @type {any} */ each) => !each.needs)
    .flatMap((/** @type {any} */ each) => each.models)
    .filter((/** @type {any} */ each) => each.isActive)
    .map((/** @type {any} */ each) => each.name);
  const aliases = Object.keys(catalog.aliases).filter((each) => !each.includes("*"));
  return [...catalog.combos, ...models, ...aliases];
}
