// The error page: what happened, whose turn it is, and the way on.
import type { Brand } from './brand.ts';
import { clientName, shorten, webUrl } from './text.ts';
import { waitFor } from './time.ts';
import { renderPage } from './view.ts';

export interface ErrorPage {
  /** An error code of OAuth or of ours; `page_expired` for a login that was open for too long. */
  code: string;
  requestId: string;
  /** What exactly was wrong, such as which parameter. Never a secret. */
  description?: string;
  /** The address that the app wanted the user sent to, where that was wrong. */
  redirectUri?: string;
  /** The client on whose behalf this was, and where it lives. */
  client?: { name: string; url?: string | null };
  /** Where to go when there is no client to go back to. */
  homeUrl?: string;
  /** Seconds. */
  retryAfter?: number;
}

interface Words {
  title: string;
  text: string;
}

/** Explains an error to somebody who did not make it. */
export function renderError(brand: Brand, page: ErrorPage): string {
  const { code, requestId, description, redirectUri, client, homeUrl, retryAfter } = page;
  const words = (Object.hasOwn(texts, code) && texts[code]) || other;
  const url = webUrl(client?.url);
  const name = client ? clientName(client.name) : null;
  return renderPage(
    brand,
    'error',
    { title: words.title, hasProblem: true },
    {
      ...words,
      code,
      requestId,
      reason: description && !isPlain.has(code) ? inPlainWords(description) : null,
      redirectUri: redirectUri === undefined ? null : shorten(redirectUri, 200),
      wait: retryAfter === undefined ? null : waitFor(retryAfter),
      back: url ? { url, name } : null,
      clientName: name,
      homeUrl,
    },
  );
}

// Their own text says all there is to say.
const isPlain = new Set(['page_expired', 'form_expired', 'access_denied', 'rate_limited']);

// The engine's words for developers, in words for everyone; what is not here stands as it is.
const plainWords: [RegExp, (found: string) => string][] = [
  [
    /^redirect_uri did not match any/,
    () => 'The address below is not one of those that the app has registered.',
  ],
  [/^client is invalid$/, () => 'No app is registered under the name that it gave.'],
  [/^missing required parameter\(?s?\)? (.+)$/, (names) => `The request lacks ${names.replaceAll("'", '')}.`],
  [/^unrecognized route or not allowed method/, () => 'There is no such page.'],
];

function inPlainWords(description: string): string {
  for (const [pattern, say] of plainWords) {
    const found = pattern.exec(description);
    if (found) return shorten(say(found[1] ?? ''), 300);
  }
  return shorten(description, 300);
}

const byTheClient =
  'The app that sent you here made a request that we cannot answer. This is not your fault, and nothing has happened to your account. The developers of the app can fix it.';

const other: Words = { title: 'The app made a mistake', text: byTheClient };
const unknownClient: Words = {
  title: 'Unknown app',
  text: 'The app that sent you here is not registered with us, or no longer is. For your safety we do not send you back to it.',
};
const wrongAddress: Words = {
  title: 'This address is not registered',
  text: 'The app asked us to send you to an address that it has not registered with us. That can be a mistake of its developers or an attempt to trick you, so we stop here.',
};
const ourFault: Words = {
  title: 'Something went wrong on our side',
  text: 'Please try again in a moment. If it happens again, tell us the reference below.',
};
const busy: Words = {
  title: 'We are busy',
  text: 'The service is not available right now. Please try again soon.',
};
const notFound: Words = {
  title: 'Page not found',
  text: 'The address may be mistyped, or the page no longer exists.',
};

const texts: Record<string, Words> = {
  page_expired: {
    title: 'This page has expired',
    text: 'It was open for too long, or you have already used it, perhaps in another tab or with the back button. Go back to the app and start again.',
  },
  form_expired: {
    title: 'This page was open for too long',
    text: 'For your safety its form could not be used any more. Go back, reload the page and try again.',
  },
  foreign_form: {
    title: 'This form came from another site',
    text: 'For your safety we did nothing with it. If you wanted to sign in or change something here, open our page yourself.',
  },
  access_denied: { title: 'You denied access', text: 'Nothing was shared. You can close this page.' },
  unauthorized_client: { title: 'This app is not allowed to do that', text: byTheClient },
  invalid_client: unknownClient,
  invalid_redirect_uri: wrongAddress,
  not_found: notFound,
  method_not_allowed: notFound,
  rate_limited: {
    title: 'Too many requests',
    text: 'Please wait a while before you try again.',
  },
  server_error: ourFault,
  temporarily_unavailable: busy,
};
