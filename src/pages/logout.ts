// The logout pages (OpenID Connect RP-Initiated Logout 1.0).
import type { Brand } from './brand.ts';
import { clientName, webUrl } from './text.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

export interface LogoutPage {
  /** Sends `logout=yes`, or nothing to stay signed in, and the CSRF token as `xsrf`, the name that the engine expects. */
  form: FormTarget;
  user?: { username: string };
  /** The client that asks for the logout. */
  client?: { name: string };
}

/** Asks the user to confirm the logout. Without this page, any website could sign users out. */
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
  /** The client that asked for the logout, and its website. */
  client?: { name: string; url?: string | null };
  /** The page where the user can sign in again. */
  signInUrl?: string;
}

/** Confirms the logout. */
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
