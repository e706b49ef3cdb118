// Texts of the page Endpoint.

export default {
  "endpoint.hint": "Point any tool at this gateway: it speaks the dialect that the tool knows.",
  "endpoint.bases": "Base URLs",
  "endpoint.dialect": "Dialect",
  "endpoint.base": "Base URL",
  "endpoint.calls": "What is called below it",
  "endpoint.keys": "The key goes in as Authorization: Bearer, x-api-key, x-goog-api-key or ?key=.",
  "endpoint.address": "Address",
  "endpoint.address.hint": "As the tool reaches it, without /v1. Change it when the tool runs elsewhere.",
  "endpoint.model": "Model",
  "endpoint.model.hint": "provider/model, a combo or an alias.",
  "endpoint.snippets": "Settings for your tool",
  "endpoint.try": "Try it from here",
  "endpoint.note.curl": "One streamed request from a shell.",
  "endpoint.note.sdk": "Python; the SDKs of other languages take the same base URL and key.",
  "endpoint.note.claude-code": "In the shell that starts Claude Code. The name of a combo works as a model, too.",
  "endpoint.note.codex": "Codex speaks the Responses dialect. Put this into its configuration, then start it with the key in its environment.",
  "endpoint.note.cursor": "Settings → Models. Cursor asks from its own servers, so the address has to be reachable from the internet.",
  "endpoint.note.cline": "In the settings of the Cline extension.",
  "endpoint.note.openclaw": "Merge this into its configuration.",
};
