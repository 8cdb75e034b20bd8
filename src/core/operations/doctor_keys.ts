// Checks of the doctor on signing keys: that they exist and rotate, and that KINDRED_SECRET decrypts them.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import type { Keyring } from '../../lib/crypto.ts';
import { formatDuration } from '../../lib/format.ts';
import { canUnseal, isSealedUnderFirst } from '../keys/reencrypt.ts';
import { listSigningKeys, type SigningKeyRow } from '../keys/signing_keys.ts';
import { readClock } from '../store/sql_time.ts';
import type { Finding } from './finding.ts';

/** Seconds that a key may sign beyond its lifetime before its rotation counts as overdue. */
const grace = 86_400;

/** Checks the age of the current key, and that each key can be decrypted. */
export async function checkKeys(db: Knex, config: Config, keyring: Keyring): Promise<Finding[]> {
  const keys = await listSigningKeys(db);
  const current = keys.find((key) => key.status === 'current');
  const upcoming = keys.find((key) => key.status === 'upcoming');
  if (!current || !upcoming) {
    const text = `there is no ${current ? 'upcoming' : 'current'} signing key`;
    const advice = 'start a server: it creates the missing key';
    return [{ check: 'signing keys', state: current ? 'note' : 'wrong', text, advice }];
  }
  return [checkRotation(current, upcoming, config, await readClock(db)), ...checkSecrets(keys, keyring)];
}

function checkRotation(current: SigningKeyRow, upcoming: SigningKeyRow, config: Config, now: Date): Finding {
  const age = (now.getTime() - (current.current_at ?? current.created_at).getTime()) / 1000;
  const isReady = upcoming.created_at.getTime() + config.signingKeyLead * 1000 <= now.getTime();
  const finding = {
    check: 'signing keys',
    text: `the current key has signed for ${formatDuration(age)}, the next key is ${isReady ? 'ready' : 'not ready yet'}`,
    data: { kid: current.kid, age_seconds: Math.round(age), next_is_ready: isReady },
  };
  if (age <= config.signingKeyTtl + grace) return { ...finding, state: 'good' };
  const advice =
    'it is overdue for rotation: check that a server runs with JOBS=true, or run: kindred rotate-keys';
  return { ...finding, state: 'wrong', advice };
}

function checkSecrets(keys: SigningKeyRow[], keyring: Keyring): Finding[] {
  const check = 'secrets';
  const unreadable = keys.filter((key) => !canUnseal(key, keyring)).length;
  const stale = keys.filter((key) => !isSealedUnderFirst(key, keyring)).length;
  if (unreadable > 0) {
    const text = `no secret in KINDRED_SECRET can decrypt ${unreadable} of ${keys.length} signing keys`;
    const advice =
      'put back the secret that encrypted them; without it, delete their rows and start a server';
    return [{ check, state: 'wrong', text, advice }];
  }
  if (stale === 0) return [];
  const text = `${stale} of ${keys.length} signing keys are encrypted with a secret that is not the first of KINDRED_SECRET`;
  return [{ check, state: 'note', text, advice: 'run kindred reencrypt-keys before you remove that secret' }];
}
