// The clients that have signatures by an algorithm that the server does not offer (any more).
import type { Knex } from 'knex';
import type { Db } from '../store/db.ts';
import { fapi2Algs } from './security_profile.ts';

/** How many clients are named; there may be very many that registered themselves. */
const maxNamed = 20;

export interface UnservedClients {
  /** The first of them, by id. */
  clients: string[];
  /** How many others there are. */
  more: number;
}

const members = [
  'id_token_signed_response_alg',
  'introspection_signed_response_alg',
  'userinfo_signed_response_alg',
];

/**
 * The clients whose metadata name an algorithm that is not among `algs`, those of FAPI 2.0 where its profile allows none of them, and,
 * while there are keys of RS256 that sign or have signed (`known`, the algorithms of such keys), those that have RS256 by default.
 * They go on with another one, which they may refuse.
 */
export async function findUnservedClients(
  db: Db,
  algs: readonly string[],
  known: readonly string[],
): Promise<UnservedClients> {
  const losesDefault = known.includes('RS256') && !algs.includes('RS256');
  const asking = db('clients')
    .whereNull('deleted_at')
    .where((either) => {
      for (const member of members)
        either.orWhereRaw(`metadata->>? not in (${algs.map(() => '?').join()})`, [member, ...algs]);
      if (!algs.some((alg) => fapi2Algs.includes(alg)))
        either.orWhereRaw(`metadata->>'security_profile' = 'fapi2'`);
      if (losesDefault) either.orWhere(hasDefaultAlg);
    });
  const clients = await asking.clone().orderBy('client_id').limit(maxNamed).pluck('client_id');
  if (clients.length < maxNamed) return { clients, more: 0 };
  const [counted] = await asking.clone().count({ n: '*' });
  return { clients, more: Number(counted?.n ?? 0) - clients.length };
}

// As response_algs.ts decides: a third-party client that asks for none, and is not of FAPI 2.0.
function hasDefaultAlg(query: Knex.QueryBuilder): void {
  query
    .where({ first_party: false })
    .whereRaw("metadata->>'id_token_signed_response_alg' is null")
    .whereRaw("metadata->>'security_profile' is null");
}

/** Their names in a sentence. */
export function nameUnserved({ clients, more }: UnservedClients): string {
  return more > 0 ? `${clients.join(', ')} and ${more} more` : clients.join(', ');
}
