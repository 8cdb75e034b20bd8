// The parts that we use of files of the engine which its published types leave out.
declare module 'oidc-provider/lib/helpers/re_render_errors.js' {
  /** Shows the form for a device's code again, and says that the code was used. */
  export class AlreadyUsedError extends Error {
    constructor(userCode?: string);
  }
}

// The engine's middleware that introspection_and_revocation.ts is made of.
declare module 'oidc-provider/lib/helpers/als.js' {
  import type { AsyncLocalStorage } from 'node:async_hooks';

  /** The request that `Provider.ctx` returns. */
  const requestStorage: AsyncLocalStorage<object>;
  export default requestStorage;
}
declare module 'oidc-provider/lib/shared/assemble_params.js' {
  import type { KoaContextWithOIDC } from 'oidc-provider';
  /** Reads the parameters of these names from the form; they become `ctx.oidc.params`. */
  export default function assembleParams(
    names: Set<string>,
    ctx: KoaContextWithOIDC,
    next: () => Promise<unknown>,
  ): unknown;
}
declare module 'oidc-provider/lib/shared/client_auth.js' {
  import type { KoaContextWithOIDC } from 'oidc-provider';

  type Step = (ctx: KoaContextWithOIDC, next: () => Promise<unknown>) => unknown;
  /** Authenticates the client, which becomes `ctx.oidc.client`. */
  const clientAuth: Step[];
  export default clientAuth;
  /** The parameters that it reads. */
  export function getClientAuthParams(ctx: KoaContextWithOIDC): Set<string>;
}
declare module 'oidc-provider/lib/shared/cors.js' {
  import type { KoaContextWithOIDC } from 'oidc-provider';
  export default function cors(options: {
    allowMethods: string;
    clientBased: boolean;
    exposeHeaders: string;
  }): (ctx: KoaContextWithOIDC, next: () => Promise<unknown>) => Promise<unknown>;
}
declare module 'oidc-provider/lib/shared/error_handler.js' {
  import type { KoaContextWithOIDC } from 'oidc-provider';
  /** Answers errors, and emits `event` or `server_error`. */
  export default function answerErrors(
    event: string,
  ): (ctx: KoaContextWithOIDC, next: () => Promise<unknown>) => Promise<void>;
}
declare module 'oidc-provider/lib/shared/reject_dupes.js' {
  import type { KoaContextWithOIDC } from 'oidc-provider';
  export default function rejectDupes(
    options: object,
    ctx: KoaContextWithOIDC,
    next: () => Promise<unknown>,
  ): unknown;
}
declare module 'oidc-provider/lib/shared/selective_body.js' {
  import type { KoaContextWithOIDC } from 'oidc-provider';
  /** Reads a form, which becomes `ctx.oidc.body`. */
  export function urlencoded(ctx: KoaContextWithOIDC, next: () => Promise<unknown>): Promise<void>;
}
