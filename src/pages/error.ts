// The error page: what happened, whose turn it is, and the way on.
import type { Brand } from './brand.ts';
import { clientName, webUrl } from './text.ts';
import { waitFor } from './time.ts';
import { renderPage } from './view.ts';

export interface ErrorPage {
  /** An error code of OAuth or of ours; `page_expired` for a login that was open for too long. */
  code: string;
  requestId: string;
  /** For whoever develops the client; shown folded away. Never a secret. */
  description?: string;
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
  const { code, requestId, description, client, homeUrl, retryAfter } = page;
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
      description,
      wait: retryAfter === undefined ? null : waitFor(retryAfter),
      back: url ? { url, name } : null,
      clientName: name,
      homeUrl,
    },
  );
}

const byTheClient =
  'The app that sent you here asked for something that we cannot give. This is not your fault, and nothing has happened to your account. Its makers can repair it; the details below will help them.';

const other: Words = { title: 'This did not work', text: byTheClient };
const unknownClient: Words = {
  title: 'We do not know this app',
  text: 'The app that sent you here is not registered with us, or not any more. For your safety we do not send you back to it.',
};
const wrongAddress: Words = {
  title: 'We will not send you there',
  text: 'The app wants you sent to an address that it has not registered with us. That can be a mistake of its makers or an attempt to trick you, so this is where it ends.',
};
const ourFault: Words = {
  title: 'Something broke on our side',
  text: 'That was not you. Please try again in a moment; if it happens again, tell us the reference below.',
};
const busy: Words = {
  title: 'We are busy',
  text: 'The service is not available right now. It should be back soon.',
};
const notFound: Words = {
  title: 'There is nothing here',
  text: 'The address may be mistyped, or what was here is gone.',
};

const texts: Record<string, Words> = {
  page_expired: {
    title: 'This page has expired',
    text: 'It was open for too long, or you have already used it, perhaps in another tab or with the back button. Nothing is lost: start again where you came from.',
  },
  form_expired: {
    title: 'This page was open for too long',
    text: 'For your safety its form could not be used any more. Go back, reload the page and try again.',
  },
  foreign_form: {
    title: 'This form came from another site',
    text: 'For your safety we did nothing with it. If you wanted to sign in or change something here, open our page yourself.',
  },
  access_denied: { title: 'You said no', text: 'Nothing was shared. You can close this page.' },
  unauthorized_client: { title: 'This app may not do that', text: byTheClient },
  invalid_client: unknownClient,
  invalid_redirect_uri: wrongAddress,
  not_found: notFound,
  method_not_allowed: notFound,
  rate_limited: {
    title: 'Too many requests',
    text: 'To keep strangers out we have to pause for a while.',
  },
  server_error: ourFault,
  temporarily_unavailable: busy,
};
