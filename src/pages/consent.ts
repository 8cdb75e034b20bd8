// The consent page: which client asks for which scopes, and for which user.
import type { Brand } from './brand.ts';
import { describeScopes, type ScopeView } from './scopes.ts';
import { clientName, destinationOf, monogram, webUrl } from './text.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

export interface ConsentPage {
  /** Sends `decision`, `allow` or `deny`. */
  form: FormTarget;
  /** To sign in as another user. */
  switchUser?: FormTarget;
  client: {
    name: string;
    /** The redirect URI; absent in the device flow, which does not redirect. */
    redirectUri?: string | null;
    /** False for a client that registered itself or that its own metadata document describes. */
    isVerified: boolean;
    logoUrl?: string | null;
    tosUrl?: string | null;
    policyUrl?: string | null;
  };
  user: { username: string; email?: string | null };
  scopes: (ScopeView & { isNew: boolean })[];
}

/** Asks whether the client may have these scopes. Allow and Deny look the same, so that neither is suggested. */
export function renderConsent(brand: Brand, page: ConsentPage): string {
  const { client, user, scopes } = page;
  const name = clientName(client.name);
  const fresh = scopes.filter((scope) => scope.isNew);
  return renderPage(
    brand,
    'consent',
    { title: `Allow ${name}?` },
    {
      form: formOf(page.form),
      switchUser: page.switchUser ? formOf(page.switchUser) : null,
      user,
      client: {
        name,
        monogram: monogram(client.name),
        destination: client.redirectUri ? destinationOf(client.redirectUri) : null,
        isVerified: client.isVerified,
        logoUrl: webUrl(client.logoUrl),
        tosUrl: webUrl(client.tosUrl),
        policyUrl: webUrl(client.policyUrl),
      },
      fresh: describeScopes(fresh),
      known: describeScopes(scopes.filter((scope) => !scope.isNew)),
    },
  );
}
