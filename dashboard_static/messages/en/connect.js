// Texts of the parts that connect tools: on the pages Endpoint and Welcome.

export default {
  "connect.tools": "Tools",
  "connect.key.name": "Name of the new key",
  "connect.key.hint": "Whoever or whatever uses it: a person, a machine, a tool.",
  "connect.key.make": "Make a key",
  "connect.key.made": "The key “{name}” is shown this once, and filled in below as long as this tab stays open. Keep it somewhere safe.",
  "connect.try.label": "Question",
  "connect.try.question": "Say hello in five words.",
  "connect.try.send": "Send a test request",
  "connect.try.stop": "Stop",
  "connect.try.answer": "Answer",
  "connect.try.about": "{provider} answered with {model}: first words after {first}, all after {total}",
  "connect.try.tokens": "{count} tokens",
};
