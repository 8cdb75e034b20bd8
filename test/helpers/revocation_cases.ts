// Generated revocations: the kinds of tokens and oddities of requests of introspections, of sessions with and without a device.
import { fc } from './fuzzing.ts';
import {
  type IntrospectionCase,
  introspectionCase,
  oddIntrospections,
  plainIntrospection,
} from './introspection_cases.ts';
import { clientNames } from './twin_clients.ts';

export interface RevocationCase extends IntrospectionCase {
  /** Whether the session has a device with a push token. */
  device: boolean;
}

// A token is mostly revoked by its own client.
const own = fc.constantFrom(...clientNames).map((name) => ({ caller: name, client: name }));
const kinds = fc.constantFrom('refresh', 'old refresh', 'signed', 'opaque user', 'opaque client', null);

/** A revocation. */
export const revocationCase: fc.Arbitrary<RevocationCase> = fc
  .tuple(introspectionCase, fc.option(own), kinds, fc.boolean())
  .map(([given, same, kind, device]) =>
    adapted({ ...given, ...same, ...(kind ? { kind } : {}), device } as RevocationCase),
  );

function adapted(given: RevocationCase): RevocationCase {
  const path = given.path.replace('introspect', 'revoke').replace('Introspect', 'Revoke');
  // These kinds need a request that makes the token, name no session of the twins, or have a record with other times.
  const kind = ['fast', 'engine', 'client', 'opaque', 'opaque expired', 'other session'].includes(given.kind)
    ? 'refresh'
    : given.kind;
  return { ...given, path, kind };
}

const alone = oddIntrospections.map(([given]) => given);
const ofNotified = (['notified', 'basic', 'strict', 'keyed'] as const).flatMap((name) =>
  (['refresh', 'old refresh', 'signed', 'opaque user'] as const).map((kind) => ({
    ...{ ...plainIntrospection, caller: name, client: name, kind },
  })),
);

/** Every oddity alone; each run tries them. */
export const oddRevocations: [RevocationCase][] = [...ofNotified, ...alone].map((given, index) => [
  adapted({ ...given, device: index % 2 === 0 }),
]);
