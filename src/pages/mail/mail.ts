// Renders a mail as text and as HTML, both from one description.
import { join } from 'node:path';
import { Eta } from 'eta';
import { type Brand, defaultAccent } from '../brand.ts';
import { escapeHtml, monogram } from '../text.ts';
import { colorsOf } from '../theme.ts';
import { factsOf } from './facts.ts';
import type { MailKind } from './kinds.ts';
import { oneLine } from './one_line.ts';
import { describeMail } from './texts.ts';
import { timeInZone } from './zone.ts';

/** What a mail is made of; the members are those of the outbox. */
export interface Mail {
  kind: MailKind;
  to: string;
  /** Whether the address is proved; else the mail says nothing that a requester chose. */
  isProved: boolean;
  code?: string | null | undefined;
  /** The local path of its link. */
  path?: string | null | undefined;
  /** Whether the mailbox gets no more such mails for now. */
  isLast?: boolean | undefined;
  zoneinfo?: string | undefined;
  facts?: Record<string, string> | undefined;
  source?: { ip: string | null; user_agent: string | null } | undefined;
  at: Date;
  /** Until when its link works, where there is no code. */
  expires_at?: Date | null | undefined;
  /** The public base URL of this server, from which every link is built. */
  origin: string;
}

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
  /** The whole URL of its link, or null. */
  link: string | null;
}

/** The words of a mail: what both forms show, in this order. */
export interface MailContent {
  subject: string;
  heading: string;
  lead: string[];
  /** The label of its link. */
  action?: string;
  /** What is said below the link. */
  closing: string[];
}

const eta = new Eta({
  views: join(import.meta.dirname, '../templates'),
  cache: true,
  autoTrim: false,
  escapeFunction: escapeHtml,
});

const lastMail =
  'This is the last such mail for now, because many were asked for. Its link works until the next one can be sent.';

/** The longest subject, in characters as people count them; names in it are cut first. */
const longest = { subject: 150, name: 60, fact: 200 };

/** Renders a mail. Names in it are cut to one line each, so that none ends a header or imitates another part. */
export function renderMail(brand: Brand, mail: Mail): RenderedMail {
  const brandName = oneLine(brand.name, longest.name);
  const { note, ...known } = mail.isProved ? oneLined(mail.facts) : {};
  const facts = { ...known, ...(known.name ? { name: oneLine(known.name, longest.name) } : {}) };
  const content = describeMail(brandName, { ...mail, facts, until: untilOf(mail) });
  const link = mail.path ? `${mail.origin}${mail.path}` : null;
  const parts = {
    ...content,
    closing: [...(mail.isLast ? [lastMail] : []), ...(note ? [note] : []), ...content.closing],
    code: mail.code ?? null,
    link,
    facts: factsOf(mail, facts),
    brandName,
  };
  const subject = oneLine(content.subject, longest.subject);
  const look = { colors: colorsOf(brand.accent ?? defaultAccent), monogram: monogram(brandName) };
  return { subject, text: asText(parts), html: eta.render('mail', { ...parts, ...look, subject }), link };
}

function untilOf({ expires_at, zoneinfo, isProved }: Mail): string | undefined {
  return expires_at ? timeInZone(expires_at, isProved ? zoneinfo : undefined) : undefined;
}

type Parts = MailContent & {
  code: string | null;
  link: string | null;
  facts: [label: string, value: string][];
  brandName: string;
};

// The link stands alone on its line, which nothing breaks.
function asText({ heading, lead, code, action, link, facts, closing, brandName }: Parts): string {
  const about = facts.map(([label, value]) => `${label}: ${value}`).join('\n');
  const blocks = [
    heading,
    ...lead,
    // What happened is read before the link; a code is what the reader looks for.
    ...(code === null ? [about] : [`Your code: ${code}`]),
    ...(link === null ? [] : [`${action}:\n${link}`]),
    ...closing,
    ...(code === null ? [] : [about]),
    `--\n${brandName}`,
  ];
  return `${blocks.join('\n\n')}\n`;
}

function oneLined(facts: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, oneLine(value, longest.fact)]),
  );
}
