// Checks of the doctor on signing keys: that they exist and rotate, and that KINDRED_SECRET decrypts them.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import type { Keyring } from '../../lib/crypto.ts';
import { formatDuration } from '../../lib/format.ts';
import { findUnservedClients, nameUnserved } from '../clients/unserved_clients.ts';
import { canUnseal, isSealedUnderFirst } from '../keys/reencrypt.ts';
import {
  algsInUse,
  listSigningKeys,
  type SigningAlg,
  type SigningKeyRow,
  wantedAlgs,
} from '../keys/signing_keys.ts';
import { readClock } from '../store/sql_time.ts';
import type { Finding } from './finding.ts';

const check = 'signing keys';

/** Seconds that a key may sign beyond its lifetime before its rotation counts as overdue. */
const grace = 86_400;

/** Checks the age of the current keys, that no algorithm lacks a key, and that each key can be decrypted. */
export async function checkKeys(db: Knex, config: Config, keyring: Keyring): Promise<Finding[]> {
  const keys = await listSigningKeys(db);
  const wanted = wantedAlgs(keys, config.signingAlgs);
  const current = keys.filter(({ status }) => status === 'current');
  const upcoming = keys.filter(({ status, alg }) => status === 'upcoming' && wanted.includes(alg));
  if (current.length === 0 || upcoming.length < wanted.length) {
    const text = `there is no ${current.length > 0 ? 'upcoming' : 'current'} signing key`;
    const advice = 'start a server: it creates the missing key';
    return [{ check, state: current.length > 0 ? 'note' : 'wrong', text, advice }];
  }
  return [
    checkRotation({ current, upcoming }, config, await readClock(db)),
    ...checkAlgs(current, wanted),
    ...checkSecrets(keys, keyring),
  ];
}

interface Pairs {
  current: SigningKeyRow[];
  upcoming: SigningKeyRow[];
}

function checkRotation({ current, upcoming }: Pairs, config: Config, now: Date): Finding {
  const since = Math.min(...current.map((key) => (key.current_at ?? key.created_at).getTime()));
  const age = (now.getTime() - since) / 1000;
  const published = Math.max(...upcoming.map(({ created_at }) => created_at.getTime()));
  const isReady = published + config.signingKeyLead * 1000 <= now.getTime();
  const kids = current.map(({ kid }) => kid);
  const finding = {
    check,
    text: `the current key has signed for ${formatDuration(age)}, the next key is ${isReady ? 'ready' : 'not ready yet'}`,
    data: { kid: kids[0], kids, age_seconds: Math.round(age), next_is_ready: isReady },
  };
  if (age <= config.signingKeyTtl + grace) return { ...finding, state: 'good' };
  const advice =
    'it is overdue for rotation: check that a server runs with JOBS=true, or run: kindred rotate-keys';
  return { ...finding, state: 'wrong', advice };
}

// RS256 is what OpenID Connect requires of every server (Core 1.0, 15.1) and what many clients expect.
function checkAlgs(current: SigningKeyRow[], wanted: readonly SigningAlg[]): Finding[] {
  const signing = current.map(({ alg }) => alg);
  const waiting = wanted.filter((alg) => !signing.includes(alg));
  const leaving = signing.filter((alg) => !wanted.includes(alg));
  const notes: Finding[] = [];
  const note = (text: string, advice: string) => notes.push({ check, state: 'note', text, advice });
  if (waiting.length > 0)
    note(
      `${waiting.join(', ')} does not sign yet; its key is published`,
      'wait for SIGNING_KEY_LEAD: a server with JOBS=true rotates then, or run: kindred rotate-keys',
    );
  if (leaving.length > 0)
    note(
      `${leaving.join(', ')} is no longer in SIGNING_ALG and signs until the next rotation`,
      'look at the clients that ask for it, if any are named here, then run: kindred rotate-keys',
    );
  if (!wanted.includes('RS256'))
    note(
      `only ${wanted.join(', ')} is offered; many OpenID Connect clients expect RS256`,
      'when the last node of the previous version is gone, set SIGNING_ALG=ES256,RS256',
    );
  return notes;
}

/** Names the clients whose algorithm is about to go, or has gone. */
export async function checkClientAlgs(
  db: Knex,
  { signingAlgs }: Pick<Config, 'signingAlgs'>,
): Promise<Finding[]> {
  const stored = await listSigningKeys(db);
  const found = await findUnservedClients(db, wantedAlgs(stored, signingAlgs), algsInUse(stored));
  if (found.clients.length === 0) return [];
  return [
    {
      check: 'clients',
      state: 'note',
      data: { clients: found.clients },
      text: `these clients have signatures by an algorithm that is not in SIGNING_ALG, because they ask for it, need it by their security_profile, or ask for none: ${nameUnserved(found)}`,
      advice:
        'they get another one from the next rotation on; add the algorithm to SIGNING_ALG, or change the client: kindred update-client with "id_token_signed_response_alg"',
    },
  ];
}

function checkSecrets(keys: SigningKeyRow[], keyring: Keyring): Finding[] {
  const unreadable = keys.filter((key) => !canUnseal(key, keyring)).length;
  const stale = keys.filter((key) => !isSealedUnderFirst(key, keyring)).length;
  if (unreadable > 0) {
    const text = `no secret in KINDRED_SECRET can decrypt ${unreadable} of ${keys.length} signing keys`;
    const advice =
      'put back the secret that encrypted them; without it, delete their rows and start a server';
    return [{ check: 'secrets', state: 'wrong', text, advice }];
  }
  if (stale === 0) return [];
  const text = `${stale} of ${keys.length} signing keys are encrypted with a secret that is not the first of KINDRED_SECRET`;
  return [
    {
      check: 'secrets',
      state: 'note',
      text,
      advice: 'run kindred reencrypt-keys before you remove that secret',
    },
  ];
}
