// Names of the client keys, whose ids stand in history and limits.

import { get } from "../api.js";
import { useRead } from "./parts.js";

/** A function from the id of a key to its name; the id itself until that is known. */
export function useKeyNames() {
  const read = useRead((abort) => get("keys", { revoked: true }, abort), []);
  const names = new Map((read.data?.keys ?? []).map((/** @type {any} */ key) => [key.id, key.name]));
  return (/** @type {string} */ id) => String(names.get(id) ?? id);
}
