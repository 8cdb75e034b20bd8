// What a scope allows, in words for users who do not know what a scope is.

export interface ScopeView {
  name: string;
  /** The name of the resource server that the scope belongs to; absent for the scopes of OpenID Connect. */
  resourceServer?: string;
}

/** A scope as a page shows it: by a text, or by its name when there is no text for it. */
export interface ScopeText {
  text?: string;
  hint?: string;
  name: string;
  resourceServer?: string;
}

/** The name in the view of an access without any scope. */
export const noScope = '';

const known: Record<string, { text: string; hint?: string }> = {
  openid: { text: 'Confirm who you are', hint: 'An identifier that stays the same each time you sign in' },
  profile: { text: 'See your username' },
  email: { text: 'See your e-mail address' },
  roles: { text: 'See your roles', hint: 'What you may do here, such as “editor” or “administrator”' },
  offline_access: {
    text: 'Keep access while you are away',
    hint: 'Until you sign the app out or remove its access',
  },
};

/** Describes scopes. A resource server's scope is never described as one of OpenID Connect, even if it has the same name. */
export function describeScopes(scopes: ScopeView[]): ScopeText[] {
  return scopes.map(({ name, resourceServer }) => {
    if (name === noScope) return { name, ...withoutScope(resourceServer) };
    if (resourceServer !== undefined) return { name, resourceServer };
    return { name, ...(Object.hasOwn(known, name) ? known[name] : {}) };
  });
}

function withoutScope(resourceServer: string | undefined): { text: string; hint: string } {
  const text =
    resourceServer === undefined ? 'Know that you signed in' : `Use ${resourceServer} in your name`;
  return { text, hint: 'No further permissions' };
}
