// The page of the link that proves an address. The mailbox alone proves nothing: in a browser in which that user is signed in, the address is
// typed once more; elsewhere that user's name and password are asked for. A browser session of another user stays as it is.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { type Prover, sendAddressCodeAgain, verifyAddress } from '../../core/actions/change_address.ts';
import { isAddressOf } from '../../core/actions/undo_address.ts';
import type { Deps } from '../../core/deps.ts';
import type { OneTimeCode } from '../../core/one_time_codes/one_time_codes.ts';
import { findLink } from '../../core/one_time_codes/spend.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { displayName } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import { maskAddress } from '../../lib/mask_address.ts';
import { type LinkForm, renderLinkDone, renderLinkForm, type TypedField } from '../../pages/address_link.ts';
import type { DeadLinkState } from '../../pages/dead_link.ts';
import { findVisitor, type Visitor } from './browser_login.ts';
import { csrfToken, field, isCsrfToken } from './form.ts';
import { type LinkProblem, logInOnce, notTyped } from './link_login.ts';
import { linkBrandOf, linkTokenOf, sendDeadLink, sendLinkPage } from './link_pages.ts';
import { publicPath } from './page_response.ts';

interface Verification {
  deps: Deps;
  ctx: Context;
  code: OneTimeCode;
  /** The visitor, when it is the user whose address is proved. */
  owner: Visitor | null;
  /** Whether another user is signed in here. */
  isOther: boolean;
}

const confirmed = {
  title: 'Your address is confirmed',
  lead: ['You can sign in with it, and use it to set a new password.'],
};

/** Shows the page. */
export function sendVerification(deps: Deps, provider: () => Provider) {
  return async (ctx: Context): Promise<void> => {
    const found = await findVerification(deps, provider(), ctx);
    if (found) sendForm(found);
  };
}

/** Takes its form. */
export function takeVerification(deps: Deps, provider: () => Provider) {
  return async (ctx: Context): Promise<void> => {
    const found = await findVerification(deps, provider(), ctx);
    if (!found) return;
    const prover = await proverOf(found);
    if ('problem' in prover) return sendForm(found, prover.problem);
    try {
      await verifyAddress(deps, found.code, prover, requestSourceOf(ctx));
    } catch (error) {
      return sendRefusal(found, error);
    }
    const link = { url: publicPath(deps, '/account'), label: 'Go to your account' };
    sendLinkPage(deps, ctx, renderLinkDone(linkBrandOf(deps), { ...confirmed, link }));
  };
}

/** Takes the form of an expired link, which asks for a new mail. The answer is always the same. */
export function takeNewMail(deps: Deps) {
  return async (ctx: Context): Promise<void> => {
    const token = linkTokenOf(ctx);
    const { state, code } =
      token === null
        ? { state: 'unknown' as const, code: null }
        : await findLink(deps.db, 'verify_email', token);
    const typed = field(ctx, 'address');
    if (code && state === 'expired' && isAddressOf(code, typed))
      await sendAddressCodeAgain(deps, code, requestSourceOf(ctx));
    const done = {
      title: 'Check your mail',
      lead: ['If this address still waits to be confirmed, a new mail is on its way.'],
    };
    sendLinkPage(deps, ctx, renderLinkDone(linkBrandOf(deps), done), 202);
  };
}

// Null after the page of a link that does not work was sent.
async function findVerification(deps: Deps, provider: Provider, ctx: Context): Promise<Verification | null> {
  const token = linkTokenOf(ctx);
  const { state, code } =
    token === null
      ? { state: 'unknown' as const, code: null }
      : await findLink(deps.db, 'verify_email', token);
  if (state !== 'alive' || !code) {
    sendDead(deps, ctx, state === 'alive' ? 'unknown' : state);
    return null;
  }
  const visitor = await findVisitor(deps, provider, ctx);
  const owner = visitor && visitor.user.id === code.user_id ? visitor : null;
  return { deps, ctx, code, owner, isOther: visitor !== null && owner === null };
}

function sendDead(deps: Deps, ctx: Context, state: DeadLinkState): void {
  const newMail = {
    action: publicPath(deps, `${ctx.path.replace(/\/$/, '')}/again`),
    field: { name: 'address', label: 'The address to confirm', type: 'email', autocomplete: 'email' },
    button: 'Send a new mail',
  } as const;
  sendDeadLink(deps, ctx, {
    state,
    ...(state === 'expired' ? { newMail } : {}),
    link: { url: publicPath(deps, '/account'), label: 'Go to your account' },
  });
}

function sendForm(found: Verification, problem?: LinkProblem): void {
  const { deps, ctx } = found;
  const html = renderLinkForm(linkBrandOf(deps), {
    title: 'Confirm your address',
    ...partsOf(found),
    action: publicPath(deps, ctx.path),
    button: 'Confirm',
    ...(problem ? { problem } : {}),
  });
  sendLinkPage(deps, ctx, html, problem?.status ?? 200);
}

// Without that user's session the page does not say whose account it is: the mail may have gone to a mistyped address.
function partsOf({
  deps,
  ctx,
  code,
  owner,
  isOther,
}: Verification): Pick<LinkForm, 'lead' | 'hidden' | 'fields'> {
  const address = code.address ?? '';
  if (owner) {
    const name = displayName(owner.user);
    return {
      lead: [
        `You are about to make ${maskAddress(address)} the address of your account ${name}. Type it to confirm.`,
      ],
      hidden: { csrf: csrfToken(deps, subjectOf(owner, code)) },
      fields: [{ name: 'address', label: 'The new e-mail address', type: 'email', autocomplete: 'off' }],
    };
  }
  return {
    lead: [
      `Sign in to the account that is to have the address ${address}. If you did not ask for this, close this page: nothing changes.`,
      ...(isOther ? ['The account that is signed in here is another one, and stays signed in.'] : []),
    ],
    fields: loginFields.map((one) =>
      one.name === 'username' ? { ...one, value: field(ctx, 'username').slice(0, 320) } : one,
    ),
  };
}

const loginFields: TypedField[] = [
  { name: 'username', label: 'Username or present e-mail', type: 'text', autocomplete: 'username' },
  { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' },
];

const subjectOf = (owner: Visitor, code: OneTimeCode) => `verify ${code.id} ${owner.id}`;

async function proverOf(found: Verification): Promise<Prover | { problem: LinkProblem }> {
  const { deps, ctx, code, owner } = found;
  if (!owner) return await logInOnce(deps, ctx, code.user_id);
  if (!isCsrfToken(deps, subjectOf(owner, code), field(ctx, 'csrf')))
    return { problem: { title: 'This page was open for too long', text: 'Please try again.', status: 403 } };
  if (!isAddressOf(code, field(ctx, 'address')))
    return { problem: { title: 'Our mail did not go to this address', text: notTyped, status: 400 } };
  return { asker: { browser_session: owner.id, browser: [] } };
}

function sendRefusal(found: Verification, error: unknown): void {
  const { deps, ctx } = found;
  const code = error instanceof AppError ? error.code : null;
  if (code === 'invalid_code') sendDead(deps, ctx, 'used');
  else if (code === 'invalid_token') sendForm(found, { title: 'You were signed out meanwhile', status: 403 });
  else if (code === 'email_taken') sendLinkPage(deps, ctx, renderLinkDone(linkBrandOf(deps), taken), 409);
  else throw error;
}

const taken = {
  title: 'This address belongs to another account',
  lead: ['Nothing has changed. Sign in to that account, or choose another address.'],
  isProblem: true,
};
