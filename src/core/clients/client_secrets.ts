// Client secrets: stored as salted digests and shown once. A client has two while one replaces the other.
import { randomBytes } from 'node:crypto';
import { digest, equalBytes } from '../../lib/crypto.ts';
import { AppError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import type { Clock } from '../store/clock.ts';
import { json } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { present, readClock } from '../store/sql_time.ts';
import { minSecretLength } from './client_metadata.ts';
import { raisedTokenVersion } from './client_rights.ts';
import { hasSecret } from './client_rules.ts';
import type { Client } from './clients.ts';

export interface ClientSecret {
  id: string;
  salt: string;
  digest: string;
  /** ISO 8601, as JSON keeps it. */
  created: string;
  expires: string | null;
}

/** A secret, generated or given, as it is shown once and as it is stored. */
export function newClientSecret(
  given?: string,
  expires: Date | null = null,
): { client_secret: string; stored: ClientSecret } {
  const client_secret = given ?? randomBytes(32).toString('base64url');
  const salt = randomBytes(16).toString('base64url');
  const stored = {
    id: newId(),
    salt,
    digest: digest(salt + client_secret),
    created: new Date().toISOString(),
    expires: expires?.toISOString() ?? null,
  };
  return { client_secret, stored };
}

/** Whether `presented` is one of the client's secrets that are valid at this time. Compares with each of them, in constant time. */
export function verifyClientSecret(secrets: ClientSecret[], presented: string, at: Date): boolean {
  let matches = false;
  for (const secret of secrets) {
    const isLive = isLiveSecret(secret, at);
    const isEqual = equalBytes(Buffer.from(digest(secret.salt + presented)), Buffer.from(secret.digest));
    matches = (isLive && isEqual) || matches;
  }
  return matches;
}

const marked = new WeakMap<object, Set<string>>();

/**
 * Verifies the secret of a client that authenticates now. Only the digest is stored, so the length of a secret is known only
 * when it is presented: a secret shorter than the minimum for new ones marks its client once, and `doctor` reports the mark.
 */
export function acceptsSecret(
  { db, clock }: { db: Db; clock: Pick<Clock, 'now'> },
  client: Pick<Client, 'client_id' | 'secrets' | 'review'>,
  presented: string,
): boolean {
  const isGood = verifyClientSecret(client.secrets, presented, new Date(clock.now()));
  if (isGood && presented.length < minSecretLength) markShortSecret(db, client);
  return isGood;
}

const reviewMark = 'client_secret';

function markShortSecret(
  db: Db,
  { client_id, secrets, review }: Pick<Client, 'client_id' | 'secrets' | 'review'>,
): void {
  const known = marked.get(db) ?? new Set();
  marked.set(db, known);
  const key = JSON.stringify([client_id, secrets.map(({ id }) => id)]);
  if (review?.includes(reviewMark) || known.has(key)) return;
  known.add(key);
  // The client does not wait for this statement. When it fails, the next use of the secret tries again.
  rows(
    db,
    `update clients set review = trim(coalesce(review, '') || :word)
     where client_id = :client_id and coalesce(review, '') not like :pattern`,
    { client_id, word: ` ${reviewMark}`, pattern: `%${reviewMark}%` },
  ).catch(() => known.delete(key));
}

function withoutMark(review: string | null): string | null {
  return review?.replace(reviewMark, '').trim().replaceAll(/ +/g, ' ') || null;
}

function isLiveSecret(secret: ClientSecret, at: Date): boolean {
  return secret.expires === null || new Date(secret.expires) > at;
}

const withoutSecret = 'The client does not authenticate with a secret: see its token_endpoint_auth_method.';

/** How many valid secrets a client may have: one, and its successor. */
const maxSecrets = 2;

/**
 * Adds a secret. The previous one stays valid until `previous_expires`, or until it is removed. The new secret is returned
 * here and never again. Refuses with `client_not_found`, `too_many_secrets`, or `invalid_request` when the client does not
 * authenticate with a secret.
 */
export async function addClientSecret(
  tx: Db,
  client_id: string,
  { expires, previous_expires }: { expires?: Date | undefined; previous_expires?: Date | undefined } = {},
): Promise<{ id: string; client_secret: string }> {
  const client = await tx('clients').where({ client_id }).forUpdate().first();
  if (!client) throw new AppError('client_not_found');
  if (!hasSecret(client.metadata)) throw new AppError('invalid_request', withoutSecret);
  const now = await readClock(tx);
  const live = client.secrets.filter((secret) => isLiveSecret(secret, now));
  if (live.length >= maxSecrets) throw new AppError('too_many_secrets');
  const { client_secret, stored } = newClientSecret(undefined, expires ?? null);
  const kept = live.map((one) => ({ ...one, expires: previous_expires?.toISOString() ?? one.expires }));
  await saveSecrets(tx, client, [stored, ...kept], endsAtOnce(previous_expires, now));
  return { id: stored.id, client_secret };
}

/** Milliseconds by which the clock of a node, which decides whether a secret has expired, may be ahead of the database's. */
const clockTolerance = 5_000;

function endsAtOnce(expires: Date | undefined, now: Date): boolean {
  return expires !== undefined && expires.getTime() <= now.getTime() + clockTolerance;
}

/**
 * Removes a secret and makes the client's outstanding access tokens inactive, because they may have been obtained with it.
 * Refuses with `client_not_found`, `client_secret_not_found`, or `last_secret` when no valid one would be left.
 */
export async function removeClientSecret(tx: Db, client_id: string, id: string): Promise<void> {
  const client = await tx('clients').where({ client_id }).forUpdate().first();
  if (!client) throw new AppError('client_not_found');
  const rest = client.secrets.filter((secret) => secret.id !== id);
  if (rest.length === client.secrets.length) throw new AppError('client_secret_not_found');
  const now = await readClock(tx);
  if (!rest.some((secret) => isLiveSecret(secret, now))) throw new AppError('last_secret');
  await saveSecrets(tx, client, rest, true);
}

async function saveSecrets(
  tx: Db,
  { client_id, review }: Client,
  secrets: ClientSecret[],
  endsTokens: boolean,
): Promise<void> {
  const token_version = endsTokens ? { token_version: raisedTokenVersion(tx) } : {};
  await tx('clients')
    .where({ client_id })
    .update({
      secrets: json(secrets),
      ...token_version,
      review: withoutMark(review),
      updated_at: present(tx),
    });
}
