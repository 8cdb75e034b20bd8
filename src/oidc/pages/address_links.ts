// The pages of the links that undo a change of the address, and of "this was not me". GET and HEAD change nothing; what changes something
// is a form into which a person has typed the address that the mail went to. They need no cookie and sign nobody in.
import Router from '@koa/router';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { reportNotMe } from '../../core/actions/not_me.ts';
import { type Reported, undoAddressChange } from '../../core/actions/undo_address.ts';
import type { Deps } from '../../core/deps.ts';
import type { OneTimeCode } from '../../core/one_time_codes/one_time_codes.ts';
import type { Purpose } from '../../core/one_time_codes/purposes.ts';
import { findLink } from '../../core/one_time_codes/spend.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import type { LinkPath } from '../../lib/link_paths.ts';
import { maskAddress } from '../../lib/mask_address.ts';
import { renderLinkDone, renderLinkForm } from '../../pages/address_link.ts';
import type { DeadLinkState } from '../../pages/dead_link.ts';
import { field, parseForm } from './form.ts';
import { notTyped } from './link_login.ts';
import { linkBrandOf, linkTokenOf, sendDeadLink, sendLinkPage } from './link_pages.ts';
import { catchUnavailable, publicPath } from './page_response.ts';
import { sendVerification, takeNewMail, takeVerification } from './verify_email_page.ts';

/** One of the two links that shut everybody out. */
interface ShutOutLink {
  path: LinkPath;
  purpose: Purpose;
  title: string;
  lead: string[];
  button: string;
  act: typeof undoAddressChange;
}

const links: ShutOutLink[] = [
  {
    path: 'undo-email',
    purpose: 'undo_email',
    title: 'Undo the change of your address',
    lead: [
      'This restores the address that our mail went to. Everybody is signed out of the account, on every device, and its password stops working: then you set a new one.',
      'If you changed the address yourself, close this page: nothing changes.',
    ],
    button: 'Restore my address',
    act: undoAddressChange,
  },
  {
    path: 'not-me',
    purpose: 'not_me',
    title: 'Was this not you?',
    lead: [
      'Then secure the account: everybody is signed out of it, on every device, and its password stops working. After that you set a new one.',
      'If it was you, close this page: nothing changes.',
    ],
    button: 'Secure my account',
    act: reportNotMe,
  },
];

/** The routes of `/verify-email`, `/undo-email` and `/not-me`. */
export function addressLinkRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router();
  const form = parseForm(deps);
  router.use(catchUnavailable(deps));
  router.get('/verify-email/:token', sendVerification(deps, provider));
  router.post('/verify-email/:token', form, takeVerification(deps, provider));
  router.post('/verify-email/:token/again', form, takeNewMail(deps));
  for (const link of links) {
    router.get(`/${link.path}/:token`, async (ctx) => {
      const code = await livingCode(deps, ctx, link);
      if (code) sendForm(deps, ctx, link);
    });
    router.post(`/${link.path}/:token`, form, async (ctx) => {
      const code = await livingCode(deps, ctx, link);
      if (code) await act(deps, ctx, link, code);
    });
  }
  return router;
}

// The code of the link, or null after the page of a link that does not work was sent.
async function livingCode(deps: Deps, ctx: Context, { purpose }: ShutOutLink): Promise<OneTimeCode | null> {
  const token = linkTokenOf(ctx);
  const { state, code } =
    token === null ? { state: 'unknown' as const, code: null } : await findLink(deps.db, purpose, token);
  if (state === 'alive') return code;
  sendDead(deps, ctx, state);
  return null;
}

function sendDead(deps: Deps, ctx: Context, state: DeadLinkState): void {
  const newMail = {
    action: publicPath(deps, '/recover'),
    field: { name: 'login', label: 'Username or e-mail', type: 'text', autocomplete: 'username' },
    button: 'Set a new password by mail',
  } as const;
  const { recovery } = deps.config;
  sendDeadLink(deps, ctx, {
    state,
    advice: recovery
      ? 'If you cannot get into your account, or somebody else can, set a new password.'
      : 'If you cannot get into your account, or somebody else can, ask an administrator.',
    ...(recovery ? { newMail } : {}),
  });
}

function sendForm(deps: Deps, ctx: Context, link: ShutOutLink, isWrong = false): void {
  const { title, lead, button } = link;
  const html = renderLinkForm(linkBrandOf(deps), {
    ...{ title, lead, button, isDanger: true },
    action: publicPath(deps, ctx.path),
    fields: [
      {
        name: 'address',
        label: 'The e-mail address that our mail went to',
        type: 'email',
        // Nothing fills it in: that a person types it is what confirms.
        autocomplete: 'off',
      },
    ],
    ...(isWrong ? { problem: { title: 'Our mail did not go to this address', text: notTyped } } : {}),
  });
  sendLinkPage(deps, ctx, html, isWrong ? 400 : 200);
}

async function act(deps: Deps, ctx: Context, link: ShutOutLink, code: OneTimeCode): Promise<void> {
  const report = { typed: field(ctx, 'address'), source: requestSourceOf(ctx) };
  const reported = await link.act(deps, code, report);
  if (reported.outcome === 'wrong_address') return sendForm(deps, ctx, link, true);
  if (reported.outcome === 'used') return sendDead(deps, ctx, 'used');
  sendLinkPage(
    deps,
    ctx,
    renderLinkDone(linkBrandOf(deps), { title: 'Your account is secured', ...doneText(reported) }),
  );
}

function doneText({ restored, recoveryTo }: Extract<Reported, { outcome: 'done' }>): { lead: string[] } {
  return {
    lead: [
      ...(restored === null ? [] : [`Its address is ${maskAddress(restored)} again.`]),
      'Everybody was signed out, and the old password does not work any more.',
      recoveryTo === null
        ? 'Ask an administrator for a link to set a new password.'
        : `We have sent a mail to ${maskAddress(recoveryTo)}. Open its link to set a new password.`,
    ],
  };
}
