// What a refusal says in words, for the reasons that a client hears which proved to hold the token or the password.

const sentences: Record<string, string> = {
  token_reused: 'The refresh token was used before; the session has ended.',
  session_ended: 'The session has ended.',
  session_expired: 'The session has expired.',
  account_banned: 'The account is banned.',
  account_disabled: 'The account is disabled.',
  account_deleted: 'The account has been deleted.',
};

/** The sentence for a reason; undefined for one that speaks for itself. */
export function describeReason(reason: unknown): string | undefined {
  return typeof reason === 'string' && Object.hasOwn(sentences, reason) ? sentences[reason] : undefined;
}

/** One sentence for a name of nobody and for a wrong password: nothing tells the two apart. */
export const wrongCredentials = 'Wrong username or password.';
