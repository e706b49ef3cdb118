// Files that the browser saves: what the page made itself, or what the gateway gave.

/** @param {string} name @param {Blob} content */
export function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser reads the file after this turn.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A value as CSV has it. What a spreadsheet would take for a formula gets a quote before it. Pure.
 *  @param {unknown} value */
export function csvCell(value) {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {unknown[][]} rows the first are the names of the columns */
export const csv = (rows) => rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
