// The facts below the text of a mail: when it happened, from where, and to which account.
import { describeUserAgent } from '../user_agent.ts';
import type { Mail } from './mail.ts';
import { oneLine } from './one_line.ts';
import { timeInZone } from './zone.ts';

type Fact = [label: string, value: string];

/**
 * The facts of a mail. An address that nobody has proved may belong to a person who has asked for nothing: its mail names no account, no
 * device and no app.
 */
export function factsOf(
  { at, zoneinfo, source, isProved, to }: Mail,
  { name, client, reason, device }: Record<string, string>,
): Fact[] {
  const fact = (label: string, value: string | null | undefined): Fact[] => (value ? [[label, value]] : []);
  return [
    ['Time', timeInZone(at, isProved ? zoneinfo : undefined)],
    ...(isProved ? fact('Device', source && deviceOf(source.user_agent, device)) : []),
    ...(isProved ? fact('App', client) : []),
    ...fact('Network address', source?.ip),
    ...(isProved && name !== to ? fact('Account', name) : []),
    ['E-mail address', oneLine(to, 254)],
    ...(isProved ? fact('Reason', reason) : []),
  ];
}

// By the name that the app gave it, if it gave one. A device or program may call itself like a website, and mail programs would make a
// link of it.
function deviceOf(userAgent: string | null, name: string | undefined): string {
  const described = describeUserAgent(userAgent);
  const program = described.includes('.') ? 'Unknown device' : described;
  return name && !/[.:/@]/.test(name) ? `${name} (${program})` : program;
}
