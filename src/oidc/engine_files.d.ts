// Files of the engine that its published types leave out; this is the part that we build on.
declare module 'oidc-provider/lib/helpers/re_render_errors.js' {
  /** Shows the form for a device's code again, and says that the code was used. */
  export class AlreadyUsedError extends Error {
    constructor(userCode?: string);
  }
}
