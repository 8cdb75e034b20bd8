// The rights of clients: what a machine may do is written down, and a number says which of its tokens are still good.
import type { Knex } from 'knex';

// A day, the longest that an access token may live from now on. Seconds.
const longestTtl = 86_400;

// What a client could be granted beside the scopes of APIs, as of this migration.
const oidcScopes = ['openid', 'profile', 'email', 'offline_access'];

interface Row {
  client_id: string;
  metadata: string | { grant_types?: string[] };
  first_party: boolean | number;
}

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('clients', (table) => {
    // Milliseconds since 1970 at which the client was made or last lost a right; 0 for those that exist already.
    table.bigInteger('token_version').notNullable().defaultTo(0);
    // What an upgrade changed of this client and no administrator has looked at since: names of members.
    table.text('review');
    // The audience where a request names none.
    table.text('default_resource');
  });
  await takeMachineGrants(knex);
  await writeMachineScopes(knex);
  await knex('clients')
    .where('access_token_ttl', '>', longestTtl)
    .update({ access_token_ttl: longestTtl, review: withWord(knex, 'access_token_ttl') });
}

function withWord(knex: Knex, word: string): Knex.Raw {
  return knex.raw("trim(coalesce(review, '') || ?)", [` ${word}`]);
}

// Nobody vouches for these clients, so none of them acts alone or sees a password. Their tokens end with the grant.
async function takeMachineGrants(knex: Knex): Promise<void> {
  const taken = ['client_credentials', 'password'];
  const unvouched = await knex<Row>('clients')
    .whereNot('registered_by', 'admin')
    .where((either) => {
      for (const grant of taken) either.orWhereRaw(...hasGrant(knex, grant));
    })
    .select('client_id', 'metadata');
  for (const { client_id, metadata } of unvouched) {
    const all = read(metadata);
    const grant_types = grantsOf(all).filter((one) => !taken.includes(one));
    await knex('clients')
      .where({ client_id })
      .update({
        metadata: JSON.stringify({ ...all, grant_types }),
        token_version: Date.now(),
        review: 'grant_types',
      });
  }
}

// Until now a client without `scope` could have every scope of every API by itself, `admin` excepted. It keeps those of
// today, and what its other grants could ask for.
async function writeMachineScopes(knex: Knex): Promise<void> {
  const machines = await knex<Row>('clients')
    .where('registered_by', 'admin')
    .whereNull('scope')
    .whereRaw(...hasGrant(knex, 'client_credentials'))
    .select('client_id', 'metadata', 'first_party');
  if (machines.length === 0) return;
  const servers: { scope: string }[] = await knex('resource_servers').orderBy('identifier').select('scope');
  const ofServers = servers.flatMap(({ scope }) => scope.split(' ')).filter(Boolean);
  for (const { client_id, metadata, first_party } of machines) {
    const hasUsers = grantsOf(read(metadata)).some((one) => one !== 'client_credentials');
    const scopes = [...(hasUsers ? oidcScopes : []), ...(first_party ? ['account'] : []), ...ofServers];
    const scope = [...new Set(scopes)].join(' ');
    if (scope) await knex('clients').where({ client_id }).update({ scope, review: 'scope' });
  }
}

function hasGrant(knex: Knex, grant: string): [sql: string, bindings: string[]] {
  return knex.client.config.client === 'pg'
    ? ["metadata->'grant_types' @> ?::jsonb", [JSON.stringify([grant])]]
    : ["exists (select 1 from json_each(clients.metadata, '$.grant_types') where value = ?)", [grant]];
}

function read(metadata: Row['metadata']): { grant_types?: string[] } {
  return typeof metadata === 'string' ? JSON.parse(metadata) : metadata;
}

function grantsOf({ grant_types }: { grant_types?: string[] }): string[] {
  return grant_types ?? [];
}

// Not through the schema builder, which on SQLite would copy the table and, with it gone for a moment, end its sessions.
export async function down(knex: Knex): Promise<void> {
  for (const column of ['token_version', 'review', 'default_resource'])
    await knex.raw('alter table clients drop column ??', [column]);
}
