// Renders a mail as text and as HTML, both from one description.
import { join } from 'node:path';
import { Eta } from 'eta';
import { type Brand, defaultAccent } from '../brand.ts';
import { escapeHtml } from '../text.ts';
import { colorsOf } from '../theme.ts';
import { describeUserAgent } from '../user_agent.ts';
import { describeMail, type MailKind } from './texts.ts';
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
  zoneinfo?: string | undefined;
  facts?: Record<string, string> | undefined;
  source?: { ip: string | null; user_agent: string | null } | undefined;
  at: Date;
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

/** Renders a mail. Names in it are cut to one line each, so that none ends a header or imitates another part. */
export function renderMail(brand: Brand, mail: Mail): RenderedMail {
  const content = describeMail(brand.name, { ...mail, facts: mail.isProved ? oneLined(mail.facts) : {} });
  const link = mail.path ? `${mail.origin}${mail.path}` : null;
  const parts = {
    ...content,
    code: mail.code ?? null,
    link,
    facts: factsOf(mail),
    brandName: oneLine(brand.name),
  };
  return {
    subject: oneLine(content.subject),
    text: asText(parts),
    html: eta.render('mail', { ...parts, colors: colorsOf(brand.accent ?? defaultAccent).light }),
    link,
  };
}

// An address that nobody has proved may belong to a person who has asked for nothing: the mail then names no device.
function factsOf({ at, zoneinfo, source, isProved }: Mail): [label: string, value: string][] {
  return [
    ['Time', timeInZone(at, isProved ? zoneinfo : undefined)],
    ...(source && isProved ? [['Device', describeUserAgent(source.user_agent)] as [string, string]] : []),
    ...(source?.ip ? [['Network address', source.ip] as [string, string]] : []),
  ];
}

type Parts = MailContent & {
  code: string | null;
  link: string | null;
  facts: [string, string][];
  brandName: string;
};

// The link stands alone on its line, which nothing breaks.
function asText({ heading, lead, code, action, link, facts, closing, brandName }: Parts): string {
  const blocks = [
    heading,
    ...lead,
    ...(code === null ? [] : [`Your code: ${code}`]),
    ...(link === null ? [] : [`${action}:\n${link}`]),
    facts.map(([label, value]) => `${label}: ${value}`).join('\n'),
    ...closing,
    `-- \n${brandName}`,
  ];
  return `${blocks.join('\n\n')}\n`;
}

function oneLined(facts: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, oneLine(value)]));
}

/** A text in one line, without control characters and marks of direction, at most 200 characters. */
export function oneLine(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(/\p{Cf}/gu, '')
    .trim()
    .slice(0, 200);
}
