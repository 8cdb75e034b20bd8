// The parts that we use of files of the engine which its published types leave out.
declare module 'oidc-provider/lib/helpers/re_render_errors.js' {
  /** Shows the form for a device's code again, and says that the code was used. */
  export class AlreadyUsedError extends Error {
    constructor(userCode?: string);
  }
}
