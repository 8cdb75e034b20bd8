// The forms of the account page for the address: asking for a code, and entering it.
import { requestAddressChange, verifyAddressByCode } from '../../core/actions/change_address.ts';
import { email } from '../../core/users/names.ts';
import { AppError } from '../../lib/errors.ts';
import type { EmailProblem } from '../../pages/account_email.ts';
import { type AccountRequest, redirectToPage } from './account_actions.ts';
import { sendAccountPage } from './account_view.ts';
import { readDeviceCookie } from './device_cookie.ts';
import { field } from './form.ts';

/** Sends a code to the address, or shows the page again with the reason why not. */
export async function askForAddress(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor, source } = request;
  const typed = field(ctx, 'email');
  const parsed = email.safeParse(typed);
  if (!parsed.success) return await sendProblem(request, { kind: 'invalid_email' }, typed);
  try {
    await requestAddressChange(deps, {
      user_id: visitor.user.id,
      asker: { browser_session: visitor.id, browser: readDeviceCookie(deps, ctx) },
      email: parsed.data,
      current_password: field(ctx, 'current_password'),
      source,
    });
    redirectToPage(request, 'email_code_sent');
  } catch (error) {
    await refuse(request, error, typed);
  }
}

/** Takes the code. */
export async function confirmAddress(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor, source } = request;
  try {
    await verifyAddressByCode(deps, {
      user_id: visitor.user.id,
      asker: { browser_session: visitor.id, browser: [] },
      code: field(ctx, 'code').replaceAll(/[\s-]/g, ''),
      source,
    });
    redirectToPage(request, 'email_confirmed');
  } catch (error) {
    await refuse(request, error);
  }
}

async function refuse(request: AccountRequest, error: unknown, typed?: string): Promise<void> {
  if (!(error instanceof AppError) || error.code === 'overloaded') throw error;
  // Where no mail can be sent, the page has no such form.
  if (error.code === 'invalid_token' || error.code === 'not_found')
    return redirectToPage(request, 'form_expired');
  await sendProblem(request, problemOf(error), typed);
}

function problemOf({ code, reason, retryAfter = 60 }: AppError): EmailProblem {
  if (code === 'rate_limited') return { kind: code, retryAfter };
  if (code === 'email_domain_not_allowed' || code === 'invalid_code' || code === 'email_taken')
    return { kind: code };
  return { kind: reason === 'recovery_required' ? reason : 'wrong_password' };
}

async function sendProblem(
  { deps, ctx, visitor }: AccountRequest,
  problem: EmailProblem,
  typed?: string,
): Promise<void> {
  const emailProblem = { problem, ...(typed === undefined ? {} : { typed: typed.slice(0, 254) }) };
  await sendAccountPage(deps, ctx, visitor, { emailProblem });
}
