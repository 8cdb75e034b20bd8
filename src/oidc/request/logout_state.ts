// What a browser session knew about a logout when the request began: the engine has removed it by the time of its answer.

interface LogoutState {
  /** The `state` of the client's request. */
  state?: string;
  /** Where the client wants the browser to return. */
  postLogoutRedirectUri?: string;
}

const states = new WeakMap<object, LogoutState>();

/** Keeps the state of the browser session with which the engine answers a request. */
export function rememberLogoutState(oidc: object, session: unknown): void {
  const { state } = (session ?? {}) as { state?: LogoutState };
  if (state) states.set(oidc, state);
}

/** The state that was kept; empty where there was none. */
export function logoutStateOf(oidc: object): LogoutState {
  return states.get(oidc) ?? {};
}
