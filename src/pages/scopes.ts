// What a scope means, in the words of somebody who has never heard of one.

export interface ScopeView {
  name: string;
  /** What the resource server is called to which the scope belongs; absent for the scopes of OpenID Connect. */
  resourceServer?: string;
}

/** A scope as a page shows it: in words, or by its name when we know no words for it. */
export interface ScopeText {
  text?: string;
  hint?: string;
  name: string;
  resourceServer?: string;
}

const known: Record<string, { text: string; hint?: string }> = {
  openid: { text: 'Confirm who you are', hint: 'An identifier that stays the same each time you sign in' },
  profile: { text: 'See your username' },
  email: { text: 'See your e-mail address' },
  offline_access: {
    text: 'Keep access while you are away',
    hint: 'Until you sign the app out or remove its access',
  },
};

/** Describes scopes; one of a resource server is never taken for ours, whatever its name. */
export function describeScopes(scopes: ScopeView[]): ScopeText[] {
  return scopes.map(({ name, resourceServer }) => {
    if (resourceServer !== undefined) return { name, resourceServer };
    return { name, ...(Object.hasOwn(known, name) ? known[name] : {}) };
  });
}
