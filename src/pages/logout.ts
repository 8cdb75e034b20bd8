// The pages of signing out (OpenID Connect RP-Initiated Logout 1.0).
import type { Brand } from './brand.ts';
import { clientName, webUrl } from './text.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

export interface LogoutPage {
  /** Sends `logout=yes`, or nothing to stay; the csrf token goes as `xsrf`, which is where the engine looks. */
  form: FormTarget;
  user?: { username: string };
  /** Who asks. */
  client?: { name: string };
}

/** Asks whether to sign out of this browser. Without it, any page could sign people out. */
export function renderLogout(brand: Brand, page: LogoutPage): string {
  return renderPage(
    brand,
    'logout',
    { title: 'Sign out?' },
    {
      form: formOf(page.form, 'xsrf'),
      username: page.user?.username,
      clientName: page.client ? clientName(page.client.name) : null,
    },
  );
}

export interface LoggedOutPage {
  /** The client that asked, and where it lives. */
  client?: { name: string; url?: string | null };
  /** Where to sign in again. */
  signInUrl?: string;
}

/** Says that it is done. */
export function renderLoggedOut(brand: Brand, { client, signInUrl }: LoggedOutPage): string {
  return renderPage(
    brand,
    'logged_out',
    { title: 'You are signed out' },
    {
      client: client ? { name: clientName(client.name), url: webUrl(client.url) } : null,
      signInUrl,
    },
  );
}
