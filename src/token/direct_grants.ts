// Our grants at the direct entrance to /token.
import type { Context } from 'koa';
import { isVouchedGrant } from '../core/clients/client_rules.ts';
import type { Client } from '../core/clients/clients.ts';
import type { Deps } from '../core/deps.ts';
import { requestSourceOf } from '../core/request_source.ts';
import { AppError } from '../lib/errors.ts';
import { readCertificateOf } from './certificate.ts';
import type { DirectAction, ReadForm } from './direct_entrance.ts';
import { readProof } from './dpop.ts';
import type { Grant, GrantRequest } from './grant.ts';

/** A grant at the direct entrance; `parameters` are those that it reads. */
export function directGrant(
  deps: Deps,
  name: string,
  grant: Grant,
  parameters: readonly string[],
): DirectAction {
  return {
    parameters: ['grant_type', ...parameters],
    allows: ({ client }) => mayUseGrant(client, name),
    answer: async (ctx, read, known) => {
      // One proof for all passes of a request, see `isSpent`.
      ctx.state.grantRequest ??= readRequest(deps, ctx, read);
      return await grant(deps, { ...(ctx.state.grantRequest as Omit<GrantRequest, 'known'>), known });
    },
  };
}

const scopeSyntax = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

// The engine checks the syntax of `scope` as well (RFC 6749, 3.3).
function readRequest(deps: Deps, ctx: Context, { form, resources }: ReadForm): Omit<GrantRequest, 'known'> {
  if (form.scope !== undefined && !scopeSyntax.test(form.scope))
    throw new AppError('invalid_scope', 'scope contains invalid characters');
  return {
    form,
    resources,
    source: requestSourceOf(ctx),
    proof: readProof(deps, ctx),
    certificate: readCertificateOf(deps, ctx),
    isGone: () => !ctx.writable,
  };
}

// A client that is described by its own document enters through the engine, which may have to fetch the document again.
function mayUseGrant({ registered_by, metadata }: Client, grant: string): boolean {
  return (
    registered_by !== 'document' &&
    (registered_by === 'admin' || !isVouchedGrant(grant)) &&
    metadata.grant_types?.includes(grant) === true
  );
}
