// Keys of several algorithms: one current and one upcoming key of each. Clients that exist keep the algorithm of their ID tokens
// when more are offered. Made beside nodes of the previous version, so in small steps that can be repeated.
import type { Knex } from 'knex';

export const config = { transaction: false };

const rows = 500;

export async function up(knex: Knex): Promise<void> {
  const [alg] = await knex('signing_keys')
    .where({ status: 'current' })
    .orderBy('created_at')
    .limit(1)
    .pluck('alg');
  if (alg) await keepAlg(knex, alg);
  // The previous version finds the same key under either index.
  await knex.raw(
    "create unique index if not exists signing_keys_one_of_each_alg on signing_keys (alg, status) where status in ('current', 'upcoming')",
  );
  // Without `concurrently` it would hold back all who read the keys for as long as a backup runs.
  const how = isPostgres(knex) ? 'concurrently' : '';
  await knex.raw(`drop index ${how} if exists signing_keys_one_of_each`);
}

function isPostgres(knex: Knex): boolean {
  return knex.client.config.client === 'pg';
}

// In steps, so that no client waits for all others. An absent or null member has the default.
async function keepAlg(knex: Knex, alg: string): Promise<void> {
  const written = isPostgres(knex)
    ? "jsonb_set(metadata, '{id_token_signed_response_alg}', to_jsonb(?::text))"
    : "json_set(metadata, '$.id_token_signed_response_alg', ?)";
  for (let after = ''; ; ) {
    const found: string[] = await knex('clients')
      .where('client_id', '>', after)
      .orderBy('client_id')
      .limit(rows)
      .pluck('client_id');
    const last = found.at(-1);
    if (last === undefined) return;
    await knex('clients')
      .whereIn('client_id', found)
      .whereRaw("metadata->>'id_token_signed_response_alg' is null")
      .update({ metadata: knex.raw(written, [alg]) });
    after = last;
  }
}

// Fails, and changes nothing, while there are keys of several algorithms.
export async function down(knex: Knex): Promise<void> {
  await knex.raw(
    "create unique index if not exists signing_keys_one_of_each on signing_keys (status) where status in ('current', 'upcoming')",
  );
  await knex.raw('drop index if exists signing_keys_one_of_each_alg');
}
