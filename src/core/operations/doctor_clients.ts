// Checks of the doctor on clients: rights that an upgrade changed, and registrations that cannot work.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import { minSecretLength } from '../clients/client_metadata.ts';
import type { Finding } from './finding.ts';

/** How many clients one finding names; there may be very many that registered themselves. */
const maxNamed = 20;

type Report = Pick<Finding, 'state' | 'text' | 'advice'>;

interface ClientCheck {
  report: Report;
  /** The clients that the report is about. */
  clients: Knex.QueryBuilder;
}

/** One finding for each report that is about at least one client. */
export async function checkClients(db: Knex, config: Pick<Config, 'resource'>): Promise<Finding[]> {
  const checks = [
    ...reviewChecks(db),
    ...resourceChecks(db, config.resource),
    { report: wildcardReport, clients: clientsWithWildcard(db) },
  ];
  const findings: Finding[] = [];
  for (const { report, clients } of checks) {
    const ids = await listIds(clients);
    if (ids.length > 0) {
      const text = `${report.text}: ${await nameClients(clients, ids)}`;
      findings.push({ ...report, check: 'clients', text, data: { clients: ids } });
    }
  }
  return findings;
}

// By the words of the column `review`: what an administrator has to look at.
const reviewReports: Record<string, Report> = {
  scope: {
    state: 'note',
    text: 'the upgrade wrote down the scope that these clients could get by client_credentials',
    advice: 'remove what they do not need, or confirm it: kindred update-client with "scope"',
  },
  grant_types: {
    state: 'note',
    text: 'the upgrade took client_credentials and password from these clients, which no administrator created',
    advice:
      'if such a client is yours, create one for it: kindred create-client; otherwise confirm: kindred update-client with "grant_types"',
  },
  access_token_ttl: {
    state: 'note',
    text: 'the upgrade shortened the access tokens of these clients to a day',
    advice: 'confirm or shorten it further: kindred update-client with "access_token_ttl"',
  },
  client_secret: {
    state: 'note',
    text: `the secrets of these clients have fewer than ${minSecretLength} characters`,
    advice: 'kindred add-client-secret, give it to the client, then kindred remove-client-secret',
  },
};

function reviewChecks(db: Knex): ClientCheck[] {
  return Object.entries(reviewReports).map(([word, report]) => ({
    report,
    clients: registeredClients(db).where('review', 'like', `%${word}%`),
  }));
}

function resourceChecks(db: Knex, ownResource: string): ClientCheck[] {
  return (['resource_server', 'default_resource'] as const).map((member) => ({
    report: {
      state: 'wrong',
      text: `${member} names an API that is not registered`,
      advice: `kindred resource-servers lists the registered ones; kindred update-client with "${member}", or kindred create-resource-server`,
    },
    clients: registeredClients(db)
      .whereNotIn(member, ['*', ownResource])
      .whereNotExists((query) =>
        query
          .from('resource_servers')
          .select(db.raw('1'))
          .whereRaw('identifier = ??', [`clients.${member}`]),
      ),
  }));
}

const wildcardReport: Report = {
  state: 'note',
  text: 'a redirect URI of these clients contains *, which is compared like any other character',
  advice: 'register each address: kindred update-client with "redirect_uris"',
};

function clientsWithWildcard(db: Knex): Knex.QueryBuilder {
  return registeredClients(db).where((either) => {
    for (const member of ['redirect_uris', 'post_logout_redirect_uris'])
      either.orWhereRaw("cast(metadata->>? as text) like '%*%'", [member]);
  });
}

function registeredClients(db: Knex): Knex.QueryBuilder {
  return db('clients').whereNull('deleted_at');
}

async function listIds(clients: Knex.QueryBuilder): Promise<string[]> {
  return await clients.clone().orderBy('client_id').limit(maxNamed).pluck('client_id');
}

async function nameClients(clients: Knex.QueryBuilder, ids: string[]): Promise<string> {
  if (ids.length < maxNamed) return ids.join(', ');
  const [counted] = await clients.clone().count({ n: '*' });
  const more = Number(counted?.n ?? 0) - ids.length;
  return more > 0 ? `${ids.join(', ')} and ${more} more` : ids.join(', ');
}
