// `create-client` and `create-resource-server`: registrations of clients and APIs.
import { z } from 'zod';
import type { Config } from '../../config/index.ts';
import { addResourceServer } from '../core/actions/change_resource_server.ts';
import { type ClientRegistrar, createClientRegistrar } from '../core/actions/register_client.ts';
import { newClient } from '../core/clients/client_metadata.ts';
import { describeClient } from '../core/clients/clients.ts';
import { newResourceServer } from '../core/clients/resource_servers.ts';
import { explainProfile } from '../core/clients/rotation_profiles.ts';
import { openDeps } from '../core/deps.ts';
import { createClientValidator } from '../oidc/endpoints/client_validation.ts';
import { createProvider } from '../oidc/provider.ts';
import { byCommand, withDatabase } from './database.ts';
import { readJson } from './input.ts';
import { type Answer, CommandError, warn } from './output.ts';

/** Characters. A shorter secret was probably chosen by a person, and can be guessed. */
const safeLength = 32;

const clientOptions = z.object({ metadata: z.string() });

/** `create-client`: prints the client as JSON with and without `--json`, since its input is JSON too. */
export async function createClient(options: unknown): Promise<Answer> {
  const { metadata } = clientOptions.parse(options);
  const given = newClient.parse(await readJson(metadata));
  return await withRegistrar(async (registrar) => {
    const { client, client_secret } = await registrar.register(given, byCommand);
    warnAboutSecret(given.client_secret, client_secret);
    if (client.metadata.grant_types?.includes('refresh_token'))
      warn(`rotation_profile ${explainProfile(client)}`);
    const data = { ...describeClient(client), ...(client_secret ? { client_secret } : {}) };
    return { data, text: JSON.stringify(data, null, 2) };
  });
}

/** Runs a command that needs the engine, which validates clients. */
export async function withRegistrar(work: (registrar: ClientRegistrar) => Promise<Answer>): Promise<Answer> {
  return await withDatabase(async (_db, config) => {
    const deps = await openDeps(forOneCommand(config));
    try {
      const provider = createProvider(deps);
      return await work(
        createClientRegistrar(
          deps,
          createClientValidator(deps, () => provider),
        ),
      );
    } finally {
      await deps.close();
    }
  });
}

// No rate limits, because a command is not limited; no log, because stdout is for the answer.
function forOneCommand(config: Config): Config {
  return { ...config, logLevel: 'silent', rateLimits: { ...config.rateLimits, store: 'off' } };
}

function warnAboutSecret(given: string | undefined, kept: string | undefined): void {
  if (given !== undefined && kept === undefined) {
    warn('the given client_secret is ignored: this client does not authenticate with one');
  } else if (given !== undefined && given.length < safeLength) {
    warn(
      `the given client_secret is shorter than ${safeLength} characters; leave it out to get a random one`,
    );
  } else if (given === undefined && kept !== undefined) {
    warn('the client_secret is shown only once');
  }
}

const serverOptions = z.object({
  claim: z.array(z.string()).default([]),
  identifier: z.string(),
  name: z.string().optional(),
  scope: z.array(z.string()).default([]),
  format: z.enum(['jwt', 'opaque']),
  typ: z.enum(['at+jwt', 'JWT']),
  accessTokenTtl: z.number().optional(),
});

/** `create-resource-server` */
export async function createResourceServer(given: unknown): Promise<Answer> {
  const { scope, format, typ, accessTokenTtl, claim, ...rest } = serverOptions.parse(given);
  const input = newResourceServer.parse({
    ...rest,
    scope: scope.join(' '),
    access_token_format: format,
    access_token_typ: typ,
    access_token_ttl: accessTokenTtl,
    ...(claim.length > 0 ? { claims: Object.fromEntries(claim.map(splitClaim)) } : {}),
  });
  return await withDatabase(async (db) => {
    const created = await addResourceServer(db, byCommand, input);
    return { data: created, text: `created resource server ${created.identifier}, tokens ${format}` };
  });
}

function splitClaim(claim: string): [name: string, member: string] {
  const at = claim.lastIndexOf('=');
  if (at < 1) throw new CommandError(`--claim ${claim}: must be <name>=<member>, such as plan=app.plan`);
  return [claim.slice(0, at), claim.slice(at + 1)];
}
