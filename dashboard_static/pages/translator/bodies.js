// What is pasted into the translator, and examples of it. Pure.

/** Formats that a provider can be asked in; answers go to clients of one more. */
export const REQUESTS = ["openai", "openai-responses", "claude", "gemini"];
export const FORMATS = [...REQUESTS, "openai-completions"];

/** JSON as what it says, the text of a stream as it is. What begins like an object and is none is a
 *  mistake of the person, told by the error. @param {string} text @returns {any} */
export function parsed(text) {
  return text.trimStart().startsWith("{") ? JSON.parse(text) : text;
}

/** The formats into which a body of a kind can go. @param {string} source @param {string} kind */
export const targets = (source, kind) => (kind === "request" ? REQUESTS : FORMATS).filter((each) => each !== source);

const TOOL = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

/** @type {Record<string, any>} */
export const EXAMPLES = {
  openai: {
    model: "acme/large",
    n: 1,
    seed: 7,
    logit_bias: { 50256: -100 },
    messages: [
      { role: "system", content: "Answer in one sentence." },
      { role: "user", content: "What is the weather in Oslo?" },
    ],
    tools: [{ type: "function", function: { name: "weather", description: "The weather of a city.", parameters: TOOL } }],
    max_tokens: 300,
  },
  claude: {
    model: "acme/large",
    max_tokens: 2048,
    system: [{ type: "text", text: "Answer in one sentence.", cache_control: { type: "ephemeral" } }],
    thinking: { type: "enabled", budget_tokens: 1024 },
    messages: [{ role: "user", content: "What is the weather in Oslo?" }],
    tools: [{ name: "weather", description: "The weather of a city.", input_schema: TOOL }],
  },
  "openai-responses": {
    model: "acme/large",
    instructions: "Answer in one sentence.",
    input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "What is the weather in Oslo?" }] }],
    reasoning: { effort: "low", summary: "auto" },
    text: { verbosity: "low" },
  },
  gemini: {
    systemInstruction: { parts: [{ text: "Answer in one sentence." }] },
    contents: [{ role: "user", parts: [{ text: "What is the weather in Oslo?" }] }],
    safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
    generationConfig: { maxOutputTokens: 300, topK: 40 },
  },
};
