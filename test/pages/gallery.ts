// Serves the sample pages on loopback, with the stylesheet and the policy that the real server sends.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { assets, type Brand } from '../../src/pages/brand.ts';
import { contentSecurityPolicy } from '../../src/pages/csp.ts';
import { brand, samples } from './samples.ts';

export interface Gallery {
  origin: string;
  /** The forms that were submitted: their paths and fields. */
  posts: { path: string; fields: Record<string, string> }[];
  /** Redirects submitted forms to this URL, with or without a policy for forms that end at a client. */
  answerPosts(redirect: string, leadsToClient: boolean): void;
  close(): void;
}

/** Opens a gallery: `/<name of the sample>` is a page, and every POST is recorded. */
export async function openGallery(look: Brand = brand): Promise<Gallery> {
  const posts: Gallery['posts'] = [];
  let redirect: string | null = null;
  let leadsToClient = false;
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    if (request.method === 'POST') {
      posts.push({ path, fields: await fieldsOf(request) });
      if (redirect) return response.writeHead(303, { location: redirect }).end();
      return response.end('received');
    }
    const asset = assets(look).find((one) => one.path === path);
    if (asset) return response.writeHead(200, { 'content-type': asset.type }).end(asset.body);
    const html = samples[path.slice(1)]?.(look);
    response
      .writeHead(html ? 200 : 404, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': contentSecurityPolicy(look, { leadsToClient }),
        'referrer-policy': 'same-origin',
      })
      .end(html ?? 'nothing here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posts,
    answerPosts(to, isAllowed) {
      redirect = to;
      leadsToClient = isAllowed;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function fieldsOf(request: IncomingMessage): Promise<Record<string, string>> {
  return Object.fromEntries(new URLSearchParams(await text(request)));
}
