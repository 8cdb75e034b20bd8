// The forms of the account page for the user's data: the download, and the deletion of the account.
import { Readable } from 'node:stream';
import { deleteSelf } from '../../core/actions/delete_self.ts';
import { exportUser, recordExport } from '../../core/actions/export_user.ts';
import type { Deps } from '../../core/deps.ts';
import { isBrowserSession } from '../../core/engine_records/browser_session_records.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { requireRecentLogin } from '../../core/users/recent_login.ts';
import { displayName } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import { type DataProblem, renderDeleted } from '../../pages/account_data.ts';
import { type AccountRequest, redirectToPage } from './account_actions.ts';
import { sendAccountPage } from './account_view.ts';
import { clearVisitorCookie } from './browser_login.ts';
import { readDeviceCookie } from './device_cookie.ts';
import { field } from './form.ts';
import { brandOf, sendPage } from './page_response.ts';

/** Deletes the account, or shows the page again with the reason why not. */
export async function deleteAccount(request: AccountRequest): Promise<void> {
  const { deps, provider, ctx, visitor, source } = request;
  const { user } = visitor;
  // A form that was sent without anything typed does nothing.
  if (!user.password_hash && field(ctx, 'name').trim() !== displayName(user))
    return await sendAccountPage(deps, ctx, visitor, { dataProblem: { kind: 'wrong_name' } });
  try {
    await deleteSelf(deps, {
      user_id: user.id,
      asker: { browser_session: visitor.id, browser: readDeviceCookie(deps, ctx) },
      current_password: field(ctx, 'current_password'),
      requireRecentLogin: () => requireRecentLogin(deps.clock, visitor.session.loginTs),
      source,
    });
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'overloaded') throw error;
    if (error.code === 'invalid_token') return redirectToPage(request, 'form_expired');
    const dataProblem = await problemOf(deps, user.id, error);
    return await sendAccountPage(deps, ctx, visitor, { dataProblem });
  }
  clearVisitorCookie(provider, ctx);
  sendPage(deps, ctx, renderDeleted(brandOf(deps)));
}

/** Sends everything that is stored about the user as a file, or shows the page again with the reason why not. */
export async function downloadData({ deps, ctx, visitor, source }: AccountRequest): Promise<void> {
  const { db, clock, limits, audit } = deps;
  const { id } = visitor.user;
  try {
    requireRecentLogin(clock, visitor.session.loginTs);
    await withLimit(limits.userExport, [id], () => recordExport(db, id, null, source));
  } catch (error) {
    const dataProblem = exportProblemOf(error);
    if (!dataProblem) throw error;
    return await sendAccountPage(deps, ctx, visitor, { dataProblem });
  }
  await audit.flush();
  ctx.attachment('account.jsonl');
  ctx.type = 'application/x-ndjson';
  ctx.set('Cache-Control', 'no-store');
  const pages = exportUser(db, id, () => isBrowserSession(db, id, visitor.id));
  ctx.body = Readable.from(pages, { objectMode: false, highWaterMark: 65_536 });
}

function exportProblemOf(error: unknown): DataProblem | null {
  if (!(error instanceof AppError)) return null;
  if (error.code === 'insufficient_user_authentication') return { kind: 'export_old_login' };
  if (error.code !== 'rate_limited') return null;
  return { kind: 'export_rate_limited', retryAfter: error.retryAfter ?? 600 };
}

async function problemOf({ limits }: Deps, user_id: string, error: AppError): Promise<DataProblem> {
  if (error.code === 'rate_limited') return { kind: 'rate_limited', retryAfter: error.retryAfter ?? 60 };
  if (error.code === 'last_admin') return { kind: 'last_admin' };
  if (error.code === 'insufficient_user_authentication') return { kind: 'old_login' };
  const left = await limits.passwordChange.left(user_id);
  return { kind: left === 1 ? 'last_attempt' : 'wrong_password' };
}
