// The profile form of the account page. A field that was not changed or not sent is not written; an empty one removes the claim.
import { changeOwnProfile, type OwnChange } from '../../core/actions/change_user.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { username } from '../../core/users/names.ts';
import { profileMembers } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import { type ProfileProblem, profileFields } from '../../pages/account_profile.ts';
import { type AccountRequest, redirectToPage } from './account_actions.ts';
import { sendAccountPage, storedProfile } from './account_view.ts';
import { field, hasField } from './form.ts';

/** Saves what was changed, or shows the page again with what was typed and the reason why not. */
export async function saveProfile(request: AccountRequest): Promise<void> {
  const { deps, ctx, visitor, source } = request;
  const stored = storedProfile(visitor.user);
  const sent = profileFields.filter(({ name }) => hasField(ctx, name));
  const typed = { ...stored, ...Object.fromEntries(sent.map(({ name }) => [name, field(ctx, name).trim()])) };
  try {
    const change = changeOf(stored, typed);
    if (change.username === undefined && change.claims === undefined)
      return redirectToPage(request, 'profile_saved');
    const save = () => changeOwnProfile(deps.db, visitor.user.id, change, source);
    // Each attempt reveals whether a username is taken.
    await (change.username === undefined
      ? save()
      : withLimit(deps.limits.usernameChange, [visitor.user.id], save));
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'overloaded' || error.code === 'unavailable')
      throw error;
    if (error.code === 'invalid_token') return redirectToPage(request, 'form_expired');
    return await sendAccountPage(deps, ctx, visitor, {
      profile: { values: typed, problem: problemOf(error) },
    });
  }
  redirectToPage(request, 'profile_saved');
}

function changeOf(
  stored: Partial<Record<string, string>>,
  typed: Partial<Record<string, string>>,
): OwnChange {
  const members = profileMembers.filter((name) => (typed[name] ?? '') !== (stored[name] ?? ''));
  const claims = Object.fromEntries(members.map((name) => [name, typed[name] || null]));
  return {
    ...(typed.username && typed.username !== stored.username
      ? { username: readUsername(typed.username) }
      : {}),
    ...(members.length > 0 ? { claims } : {}),
  };
}

function readUsername(typed: string): string {
  const parsed = username.safeParse(typed);
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', `username: ${parsed.error.issues[0]?.message ?? 'is not allowed'}`);
}

// The sentence begins with the member: `claims.picture: must be …`.
function problemOf({ code, message, retryAfter }: AppError): ProfileProblem {
  if (code === 'username_taken') return { field: 'username', kind: 'username_taken' };
  if (code === 'rate_limited')
    return { field: 'username', kind: 'rate_limited', ...(retryAfter ? { retryAfter } : {}) };
  const [, name = '', rule] = /^(?:claims\.)?(\w+): ([^;]+)/.exec(message) ?? [];
  const found = profileFields.find((one) => one.name === name);
  return { field: found?.name ?? 'name', kind: 'not_allowed', ...(rule ? { rule } : {}) };
}
