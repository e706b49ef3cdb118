// Limits and budgets joined to who they are of. Pure.

export const KINDS = ["key", "connection", "tier", "provider"];
export const PERIODS = ["daily", "weekly", "monthly"];

/** How full a limit is, 0 to 1 and beyond; a gap is either due or not. @param {any} limit */
export const fullness = (limit) =>
  limit.kind === "gap" ? Number(limit.is_throttled) : limit.limit > 0 ? (limit.used + limit.reserved) / limit.limit : 1;

/** Keys are known by their names, everybody else by the id. @param {any} limit @param {any[]} keys of GET /api/keys */
export const ownerName = (limit, keys) =>
  limit.owner_kind === "key" ? (keys.find((each) => each.id === limit.owner)?.name ?? limit.owner) : limit.owner;

/** Limits of one kind of owner ("" of all), by what was typed. @param {any[]} limits @param {any[]} keys
 *  @param {string} kind @param {string} text */
export const chosen = (limits, keys, kind, text) =>
  limits.filter(
    (each) =>
      (!kind || each.owner_kind === kind) && ownerName(each, keys).toLowerCase().includes(text.trim().toLowerCase()),
  );

/**
 * Who has to wait now: those at a limit, and accounts whose provider says that a quota is used up.
 * @param {any[]} limits @param {any[]} accounts of GET /api/usage/quota @param {any[]} keys
 * @returns {{id: string, who: string, kind: string, limit?: any, until: number | null}[]} the first to go on first
 */
export function throttled(limits, accounts, keys) {
  const found = [
    ...limits
      .filter((each) => each.is_throttled)
      .map((each) => ({ id: each.key, who: ownerName(each, keys), kind: each.owner_kind, limit: each, until: each.resets_ms })),
    ...accounts
      .filter((each) => each.used_up_until_ms)
      .map((each) => ({ id: `quota/${each.connection}`, who: each.connection, kind: "connection", until: each.used_up_until_ms })),
  ];
  return found.sort((one, other) => (one.until ?? Infinity) - (other.until ?? Infinity));
}

/**
 * How each budget stands, with what is needed to change it: the id and version of a shared one.
 * @param {any[]} states of GET /api/usage/budget
 * @param {any[]} shared of GET /api/budgets
 * @param {any[]} keys of GET /api/keys
 */
export function budgets(states, shared, keys) {
  return states.map((state) => {
    const own =
      state.owner === "key"
        ? keys.find((each) => each.id === state.ownerId)
        : shared.find((each) => (each.tier ?? each.provider) === state.ownerId && each.period === state.period);
    const one = state.owner === "key" ? [own?.budget ?? []].flat().find((each) => each.period === state.period || (!each.period && state.period === "monthly")) : own;
    return {
      ...state,
      id: `${state.owner}/${state.ownerId}/${state.period}`,
      sharedId: state.owner === "key" ? "" : (own?.id ?? ""),
      version: state.owner === "key" ? 0 : (own?.version ?? 0),
      source: own?.source ?? "file",
      reset: one?.reset ?? "00:00",
      timezone: one?.timezone ?? "UTC",
    };
  });
}
