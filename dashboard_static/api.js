// The only place that talks HTTP. Paths are relative to the page, so any prefix in front works.

const ROOT = new URL("../api/", document.baseURI);

let csrfToken = "";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["x-csrf-token"] = csrfToken;
  let response;
  try {
    response = await fetch(new URL(path, ROOT), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "The gateway does not answer.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new ApiError(response.status, answer.error?.message ?? `status ${response.status}`);
  }
  return answer;
}

async function open(promise) {
  const answer = await promise;
  csrfToken = answer.csrf_token ?? "";
  return answer;
}

export const signInWithPassword = (password) => open(call("POST", "auth/login", { password }));
export const signInWithLink = (link) => open(call("POST", "auth/login", { link }));
export const currentSession = () => open(call("GET", "auth/session"));
export const signOut = () => call("POST", "auth/logout");
export const status = () => call("GET", "status");
