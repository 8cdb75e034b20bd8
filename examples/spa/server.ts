// Serves the files of the single-page app; any web server can do it.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const { ISSUER = 'http://127.0.0.1:3000', CLIENT_ID = 'spa', PORT = '4003' } = process.env;

const here = (name: string) => readFile(new URL(name, import.meta.url));
const library = new URL('../browser/oidc-client-ts.min.js', import.meta.resolve('oidc-client-ts'));
const files: Record<string, { type: string; content: Buffer | string }> = {
  '/': { type: 'text/html; charset=utf-8', content: await here('index.html') },
  '/app.js': { type: 'text/javascript', content: await here('app.js') },
  '/oidc-client-ts.min.js': { type: 'text/javascript', content: await readFile(library) },
  '/settings.json': {
    type: 'application/json',
    content: JSON.stringify({ issuer: ISSUER, client_id: CLIENT_ID }),
  },
};

// The page keeps tokens, so no script of another origin may run in it.
const policy = `default-src 'self'; connect-src 'self' ${new URL(ISSUER).origin}; img-src data:; frame-ancestors 'none'`;

const server = createServer((request, response) => {
  const file = files[new URL(request.url ?? '/', 'http://localhost').pathname];
  if (!file) return void response.writeHead(404).end();
  const headers = {
    'Content-Type': file.type,
    'Content-Security-Policy': policy,
    'Referrer-Policy': 'no-referrer',
  };
  response.writeHead(200, headers).end(file.content);
});
server.listen(Number(PORT), '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
);
