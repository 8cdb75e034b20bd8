// The pages of the links about an address: what a person types there, and what has come of it.
import type { Brand } from './brand.ts';
import { renderPage } from './view.ts';

/** One line that a person types. The page fills in nothing but what was typed before: a scanner that presses buttons must change nothing. */
export interface TypedField {
  name: string;
  label: string;
  type: 'text' | 'email' | 'password';
  autocomplete: string;
  value?: string;
}

export interface LinkForm {
  title: string;
  lead: string[];
  /** What was wrong with what was typed. */
  problem?: { title: string; text?: string };
  action: string;
  /** Hidden fields. */
  hidden?: Record<string, string>;
  fields: TypedField[];
  button: string;
  /** Whether the button ends something. */
  isDanger?: boolean;
}

/** Asks for what confirms the link. */
export function renderLinkForm(brand: Brand, page: LinkForm): string {
  const { title, problem, hidden = {}, ...rest } = page;
  return renderPage(
    brand,
    'link_form',
    { title, isOfLink: true, hasProblem: problem !== undefined },
    { ...rest, title, problem: problem ?? null, hidden: Object.entries(hidden) },
  );
}

export interface LinkDone {
  title: string;
  lead: string[];
  /** Where to go on. */
  link?: { url: string; label: string };
  /** Whether it is good news; else something still has to be done. */
  isProblem?: boolean;
}

/** Says what has come of the link. */
export function renderLinkDone(brand: Brand, { title, isProblem = false, ...page }: LinkDone): string {
  return renderPage(
    brand,
    'link_done',
    { title, isOfLink: true, hasProblem: isProblem },
    { ...page, title, isProblem, link: page.link ?? null },
  );
}
