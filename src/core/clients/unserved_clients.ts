// The clients that ask for signatures by an algorithm that the server does not offer (any more).
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
 * The clients whose metadata name an algorithm that is not among `algs`, and those of FAPI 2.0 where its profile allows none of them.
 * They go on with another one, which they may refuse.
 */
export async function findUnservedClients(db: Db, algs: readonly string[]): Promise<UnservedClients> {
  const asking = db('clients')
    .whereNull('deleted_at')
    .where((either) => {
      for (const member of members)
        either.orWhereRaw(`metadata->>? not in (${algs.map(() => '?').join()})`, [member, ...algs]);
      if (!algs.some((alg) => fapi2Algs.includes(alg)))
        either.orWhereRaw(`metadata->>'security_profile' = 'fapi2'`);
    });
  const clients = await asking.clone().orderBy('client_id').limit(maxNamed).pluck('client_id');
  if (clients.length < maxNamed) return { clients, more: 0 };
  const [counted] = await asking.clone().count({ n: '*' });
  return { clients, more: Number(counted?.n ?? 0) - clients.length };
}

/** Their names in a sentence. */
export function nameUnserved({ clients, more }: UnservedClients): string {
  return more > 0 ? `${clients.join(', ')} and ${more} more` : clients.join(', ');
}
