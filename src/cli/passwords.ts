// `set-password`, `recovery-link` and `unlock`: help a user back in, also without mail and without a server.
import { z } from 'zod';
import type { Config } from '../../config/index.ts';
import { createRecoveryLink, setPassword } from '../core/actions/set_password.ts';
import { unlockUser } from '../core/actions/unlock_user.ts';
import { openLog } from '../core/deps.ts';
import { openRateLimits, type RateLimits } from '../core/limits/rate_limits.ts';
import { setNotices } from '../core/mail/notices.ts';
import { setOutboxKeyring } from '../core/outbox/outbox.ts';
import { displayName } from '../core/users/users.ts';
import { createKeyring } from '../lib/crypto.ts';
import { byCommand, withDatabase } from './database.ts';
import { readPassword } from './input.ts';
import { type Answer, CommandError } from './output.ts';
import { requireUser } from './users.ts';

const reason = z.string().min(1).max(500).optional();
const setting = z.object({
  reason,
  generate: z.boolean().default(false),
  passwordStdin: z.boolean().default(false),
});

type Database = Parameters<Parameters<typeof withDatabase>[0]>[0];

/** `set-password <user>`: asks for the password, or generates one. */
export async function setUserPassword(name: string, options: unknown): Promise<Answer> {
  const { generate, passwordStdin, reason = null } = setting.parse(options);
  if (generate && passwordStdin)
    throw new CommandError('--generate makes a password; leave --password-stdin out');
  return await withDatabase(async (db, config) => {
    const user = await requireUser(db, name);
    const password = generate ? null : await readPassword(passwordStdin);
    // The notice is sealed as a server would seal it, and sent by one.
    setOutboxKeyring(db, createKeyring(config.secrets));
    setNotices(db, config.mail.smtpUrl || config.mail.folder ? config.mail.notices : null);
    const set = { ...byCommand, password, reason };
    const done = await withLimits(db, config, (limits) => setPassword({ db, limits }, user.id, set));
    const ended = `${done.sessions_ended} ${done.sessions_ended === 1 ? 'session' : 'sessions'}`;
    const said = done.password ? `\n${done.password}\ngood for one login, which asks for a new one` : '';
    return {
      data: { user_id: user.id, ...done },
      text: `set the password of ${displayName(user)}; ended ${ended}${said}`,
    };
  });
}

/** `recovery-link <user>`: prints the link. */
export async function printRecoveryLink(name: string, options: unknown): Promise<Answer> {
  const given = z.object({ reason }).parse(options);
  return await withDatabase(async (db, config) => {
    const user = await requireUser(db, name);
    const deps = { db, config, keyring: createKeyring(config.secrets) };
    const link = await createRecoveryLink(deps, user.id, { ...byCommand, reason: given.reason ?? null });
    const until = link.expires_at.toISOString();
    return {
      data: { user_id: user.id, ...link },
      text: `${link.url}\nfor ${displayName(user)}, good once, until ${until}`,
    };
  });
}

/** `unlock <user>` */
export async function unlock(name: string, options: unknown): Promise<Answer> {
  const given = z.object({ reason }).parse(options);
  return await withDatabase(async (db, config) => {
    const user = await requireUser(db, name);
    const done = await withLimits(db, config, async (limits) => {
      if (!limits) throw new CommandError(inMemory);
      await unlockUser({ db, limits, audit: null }, user.id, { ...byCommand, reason: given.reason ?? null });
      return { user_id: user.id };
    });
    return { data: done, text: `${displayName(user)} may try again at once` };
  });
}

const inMemory =
  'the server counts in its own memory (RATE_LIMITS=memory), where a command cannot reach; use POST /api/admin/users/<id>/unlock';

// Null where the counters are in the memory of the servers.
async function withLimits<Result>(
  db: Database,
  config: Config,
  run: (limits: RateLimits | null) => Promise<Result>,
): Promise<Result> {
  if (config.rateLimits.store === 'memory') return await run(null);
  const limits = await openRateLimits(db, config.rateLimits, openLog(config));
  try {
    return await run(limits);
  } finally {
    await limits.close();
  }
}
