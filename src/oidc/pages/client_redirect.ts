// How a browser returns to a client: its registered URI as it was registered, byte for byte, with the parameters of the answer
// behind it (RFC 6749, 3.1.2: a query of the URI is retained).
import type { Context } from 'koa';

type Parameters = Record<string, string>;

/** The URI with these parameters at the end of its query. Members that it has already stay as they are, whatever their names. */
export function withQuery(uri: string, parameters: Parameters): string {
  const added = new URLSearchParams(parameters).toString();
  if (added === '') return uri;
  if (!uri.includes('?')) return `${uri}?${added}`;
  return /[?&]$/.test(uri) ? `${uri}${added}` : `${uri}&${added}`;
}

/** The URI with these parameters as its fragment. */
export function withFragment(uri: string, parameters: Parameters): string {
  return `${uri}#${new URLSearchParams(parameters)}`;
}

/**
 * Redirects the browser to a URI of a client with a GET (RFC 9110, 303). Koa's own redirect would write the URI anew. Only characters
 * that a header cannot have are encoded.
 */
export function redirectToClient(ctx: Context, uri: string): void {
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Location', uri.toWellFormed().replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent));
  ctx.type = 'text';
  ctx.body = 'Redirecting to the app.';
}
