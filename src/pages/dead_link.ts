// The page of a link from a mail that does not work any more, and how to get a new one.
import type { Brand } from './brand.ts';
import { renderPage } from './view.ts';

/** Why a link does not work. `used`: it was used, replaced or withdrawn, or what it was for has changed. */
export type DeadLinkState = 'used' | 'expired' | 'unknown';

/** A form that asks for a new mail. It works without cookies, so it has no CSRF token: anybody may ask for a mail. */
export interface NewMailForm {
  action: string;
  /** Its one field: its name, its label and what it is for. */
  field: { name: string; label: string; type: 'text' | 'email'; autocomplete: string };
  button: string;
}

export interface DeadLinkPage {
  state: DeadLinkState;
  /** Why, where a link of this kind dies of something else too. */
  reason?: string;
  /** What to do now, in a sentence. */
  advice?: string;
  newMail?: NewMailForm;
  /** Where else to go. */
  link?: { url: string; label: string };
}

const titles: Record<DeadLinkState, string> = {
  used: 'This link does not work any more',
  expired: 'This link has expired',
  unknown: 'This link does not work',
};

const texts: Record<DeadLinkState, string> = {
  used: 'It was used already, or a newer one was, or the account has changed since.',
  expired: 'For your safety, a link works for a limited time.',
  unknown: 'Perhaps a part of it is missing. Open the whole link of the newest mail.',
};

/** Renders the page. */
export function renderDeadLink(
  brand: Brand,
  { state, reason = texts[state], ...page }: DeadLinkPage,
): string {
  const title = titles[state];
  return renderPage(
    brand,
    'dead_link',
    { title, hasProblem: true, isOfLink: true },
    { title, text: reason, advice: page.advice ?? null, newMail: page.newMail, link: page.link },
  );
}
