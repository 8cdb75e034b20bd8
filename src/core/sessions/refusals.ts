// The sentences of refusals. Only a caller who proved to hold the token or the password receives a reason.

const sentences: Record<string, string> = {
  token_reused: 'The refresh token was used before; the session has ended.',
  session_ended: 'The session has ended.',
  session_expired: 'The session has expired.',
  account_banned: 'The account is banned.',
  account_disabled: 'The account is disabled.',
  account_deleted: 'The account has been deleted.',
};

/** The sentence for a reason; undefined when the reason has none. */
export function describeReason(reason: unknown): string | undefined {
  return typeof reason === 'string' && Object.hasOwn(sentences, reason) ? sentences[reason] : undefined;
}

/** The same sentence for an unknown name and a wrong password, so that it does not reveal which names exist. */
export const wrongCredentials = 'Wrong username or password.';
