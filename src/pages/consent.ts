// The consent page: who asks, for what, and on whose behalf.
import type { Brand } from './brand.ts';
import { describeScopes, type ScopeView } from './scopes.ts';
import { clientName, monogram, placeOf, webUrl } from './text.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

export interface ConsentPage {
  /** Sends `decision`, `allow` or `deny`. */
  form: FormTarget;
  /** To sign in as somebody else. */
  switchUser?: FormTarget;
  client: {
    name: string;
    /** Where the user would be sent; absent in the device flow, which sends nobody anywhere. */
    redirectUri?: string | null;
    /** False for one that registered itself, or that its own metadata document describes. */
    isVerified: boolean;
    logoUrl?: string | null;
    tosUrl?: string | null;
    policyUrl?: string | null;
  };
  user: { username: string; email?: string | null };
  scopes: (ScopeView & { isNew: boolean })[];
}

/** Asks whether a client may have what it asks for. Allow and Deny weigh the same. */
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
        place: client.redirectUri ? placeOf(client.redirectUri) : null,
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
