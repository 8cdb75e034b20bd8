// What the doctor says of clients: rights that an upgrade changed, and registrations that cannot work.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import { minSecretLength } from '../clients/client_metadata.ts';
import type { Finding } from './doctor_storage.ts';

const check = 'clients';
/** How many are named; there may be very many that registered themselves. */
const named = 20;

type Look = Omit<Finding, 'check'> & { found: Knex.QueryBuilder };

/** One finding for each thing that is to be said about some clients; empty when there is nothing to say. */
export async function lookAtClients(db: Knex, config: Pick<Config, 'resource'>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { found, ...said } of looks(db, config.resource)) {
    const clients = await listIds(found);
    if (clients.length > 0) {
      const text = `${said.text}: ${await nameThem(found, clients)}`;
      findings.push({ ...said, check, text, data: { clients } });
    }
  }
  return findings;
}

function looks(db: Knex, own_resource: string): Look[] {
  const clients = () => db('clients').whereNull('deleted_at');
  const marked = (word: string) => clients().where('review', 'like', `%${word}%`);
  return [
    {
      found: marked('scope'),
      state: 'note',
      text: 'the upgrade wrote down the scope that these clients could get by client_credentials',
      advice: 'take away what they do not need, or confirm it: kindred update-client with "scope"',
    },
    {
      found: marked('grant_types'),
      state: 'note',
      text: 'the upgrade took client_credentials and password from these clients, which no administrator created',
      advice:
        'where such a client is yours, create one for it: kindred create-client. Else confirm: kindred update-client with "grant_types"',
    },
    {
      found: marked('access_token_ttl'),
      state: 'note',
      text: 'the upgrade shortened the access tokens of these clients to a day',
      advice: 'confirm or shorten it further: kindred update-client with "access_token_ttl"',
    },
    {
      found: marked('client_secret'),
      state: 'note',
      text: `the secrets of these clients have fewer than ${minSecretLength} characters`,
      advice: 'kindred add-client-secret, give it to the client, then kindred remove-client-secret',
    },
    ...(['resource_server', 'default_resource'] as const).map((member) => ({
      found: clients()
        .whereNotIn(member, ['*', own_resource])
        .whereNotExists((query) =>
          query
            .from('resource_servers')
            .select(db.raw('1'))
            .whereRaw('identifier = ??', [`clients.${member}`]),
        ),
      state: 'wrong' as const,
      text: `${member} names an API that is not registered`,
      advice: `kindred resource-servers lists those that are; kindred update-client with "${member}", or kindred create-resource-server`,
    })),
    {
      found: clients().where((either) => {
        for (const member of ['redirect_uris', 'post_logout_redirect_uris'])
          either.orWhereRaw("cast(metadata->>? as text) like '%*%'", [member]);
      }),
      state: 'note',
      text: 'a redirect URI of these clients has a *, which is compared like any other character',
      advice: 'list each address: kindred update-client with "redirect_uris"',
    },
  ];
}

async function listIds(found: Knex.QueryBuilder): Promise<string[]> {
  return await found.clone().orderBy('client_id').limit(named).pluck('client_id');
}

async function nameThem(found: Knex.QueryBuilder, clients: string[]): Promise<string> {
  if (clients.length < named) return clients.join(', ');
  const [counted] = await found.clone().count({ n: '*' });
  const more = Number(counted?.n ?? 0) - clients.length;
  return more > 0 ? `${clients.join(', ')} and ${more} more` : clients.join(', ');
}
