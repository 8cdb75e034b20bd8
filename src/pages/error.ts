// The error page: what happened, who can fix it, and what the user can do next.
import type { Brand } from './brand.ts';
import { clientName, shorten, webUrl } from './text.ts';
import { waitFor } from './time.ts';
import { renderPage } from './view.ts';

export interface ErrorPage {
  /** An error code of OAuth or of Kindred; `page_expired` for a login page that was open for too long. */
  code: string;
  requestId: string;
  /** The exact problem, such as the name of a parameter. Never a secret. */
  description?: string;
  /** The redirect URI of the request, where the client has not registered it. */
  redirectUri?: string;
  /** The client that sent the user here, and its website. */
  client?: { name: string; url?: string | null };
  /** A link for the case that there is no client to go back to. */
  homeUrl?: string;
  /** Seconds. */
  retryAfter?: number;
}

interface ErrorText {
  title: string;
  text: string;
}

/** Renders an error page for the user, who cannot read error codes. */
export function renderError(brand: Brand, page: ErrorPage): string {
  const { code, requestId, description, redirectUri, client, homeUrl, retryAfter } = page;
  const text = textOf(code, description ?? '');
  const url = webUrl(client?.url);
  const name = client ? clientName(client.name) : null;
  return renderPage(
    brand,
    'error',
    { title: text.title, hasProblem: true },
    {
      ...text,
      code,
      requestId,
      reason: description && !selfExplanatory.has(code) ? reasonText(description) : null,
      redirectUri: redirectUri === undefined ? null : shorten(redirectUri, 200),
      wait: retryAfter === undefined ? null : waitFor(retryAfter),
      back: url ? { url, name } : null,
      clientName: name,
      homeUrl,
    },
  );
}

// The texts of these codes need no reason beside them.
const selfExplanatory = new Set(['page_expired', 'form_expired', 'access_denied', 'rate_limited']);

// The engine's descriptions, which are meant for developers, in plain words. Others are shown unchanged.
const reasonTexts: [RegExp, (found: string) => string][] = [
  [/^redirect_uri did not match any/, () => 'The app has not registered the address below.'],
  [/^client is invalid$/, () => 'No app is registered with this client ID.'],
  [
    /^missing required parameter\(?s?\)? (.+)$/,
    (names) => `The request is missing ${names.replaceAll("'", '')}.`,
  ],
  [/^unrecognized route or not allowed method/, () => 'This page does not exist.'],
  [/^post_logout_redirect_uri not registered/, () => 'The app has not registered the address below.'],
  [/^could not (?:decode|validate) id_token_hint/, () => 'The id_token_hint is not an ID token of ours.'],
  [/^unrecognized id_token_hint/, () => 'The id_token_hint is for an app that is not registered.'],
  [/^client_id does not match/, () => 'The client_id and the id_token_hint belong to different apps.'],
];

function textOf(code: string, description: string): ErrorText {
  const special = specialTexts.find(([pattern]) => pattern.test(description));
  return special?.[1] ?? ((Object.hasOwn(texts, code) && texts[code]) || other);
}

function reasonText(description: string): string {
  for (const [pattern, textOf] of reasonTexts) {
    const found = pattern.exec(description);
    if (found) return shorten(textOf(found[1] ?? ''), 300);
  }
  return shorten(description, 300);
}

const faultOfClient =
  'The app that sent you here made a request that we cannot process. You did nothing wrong, and your account has not changed. Only the developers of the app can fix this.';

const other: ErrorText = { title: 'The app sent an invalid request', text: faultOfClient };
const unknownClient: ErrorText = {
  title: 'Unknown app',
  text: 'The app that sent you here is not registered with us, or its registration was removed. For your safety, we do not send you back to it.',
};
const wrongAddress: ErrorText = {
  title: 'This address is not registered',
  text: 'The app asked us to send you to an address that it has not registered with us. This can be a mistake by its developers or an attempt to trick you, so we stopped here.',
};
const ourFault: ErrorText = {
  title: 'Something went wrong on our side',
  text: 'Please try again in a moment. If it happens again, contact support and quote the reference below.',
};
const busy: ErrorText = {
  title: 'Service temporarily unavailable',
  text: 'We cannot answer right now. Please try again soon.',
};
const notFound: ErrorText = {
  title: 'Page not found',
  text: 'The address may contain a typing error, or the page no longer exists.',
};

// Problems that have a text of their own, by the engine's description; they share their code with many others.
const specialTexts: [RegExp, ErrorText][] = [
  [
    /^missing required parameter\(?s?\)? .*'redirect_uri'/,
    {
      title: 'The app did not say where to send you',
      text: faultOfClient,
    },
  ],
  [
    /^post_logout_redirect_uri not registered/,
    {
      title: 'We will not send you there',
      text: 'The app asked us to sign you out and to send you to an address that it has not registered with us. We stopped here, and you are still signed in.',
    },
  ],
  [
    /id_token_hint/,
    {
      title: 'We could not sign you out',
      text: 'The app that sent you here did not prove which login it means. You are still signed in. You can sign out on your account page.',
    },
  ],
];

const texts: Record<string, ErrorText> = {
  page_expired: {
    title: 'This page has expired',
    text: 'It was open for too long, or you have used it already, perhaps in another tab or with the back button. Go back to the app and start again.',
  },
  form_expired: {
    title: 'This page was open for too long',
    text: 'For your safety, we did not accept its form any more. Go back, reload the page and try again.',
  },
  foreign_form: {
    title: 'This form came from another site',
    text: 'For your safety, we ignored it. To sign in or to change something here, open our page directly.',
  },
  access_denied: { title: 'You denied access', text: 'Nothing was shared. You can close this page.' },
  unauthorized_client: { title: 'This app is not allowed to do that', text: faultOfClient },
  invalid_client: unknownClient,
  invalid_redirect_uri: wrongAddress,
  not_found: notFound,
  method_not_allowed: notFound,
  rate_limited: {
    title: 'Too many requests',
    text: 'Please wait a while before you try again.',
  },
  document_unavailable: {
    title: 'This app cannot be checked right now',
    text: 'We could not read the description that the app publishes about itself. Please try again in a moment.',
  },
  server_error: ourFault,
  temporarily_unavailable: busy,
};
