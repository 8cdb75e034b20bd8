// TLS in front of a server, as in production; several clients refuse an http issuer.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface TlsProxy {
  url: string;
  /** PEM; the certificate is signed by its own key. */
  certificate: string;
  close(): Promise<void>;
}

/** Opens a proxy for the server that listens, or will listen, on `port` of the loopback. */
export async function openTlsProxy(port: number): Promise<TlsProxy> {
  const { key, certificate } = await makeCertificate();
  const server = createServer({ key, cert: certificate }, (incoming, answer) => {
    const forwarded = {
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': incoming.headers.host ?? '',
    };
    const outgoing = request({
      host: '127.0.0.1',
      port,
      path: incoming.url,
      method: incoming.method,
      headers: { ...incoming.headers, ...forwarded },
      agent: false,
    });
    outgoing.once('error', () => answer.writeHead(502).end());
    outgoing.once('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
      response.pipe(answer);
    });
    incoming.pipe(outgoing);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificate,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function makeCertificate(): Promise<{ key: string; certificate: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-interop-tls-'));
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  // rustls takes no certificate of an authority for that of a server.
  const usage = ['-addext', 'basicConstraints=critical,CA:FALSE'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await promisify(execFile)('openssl', [
    'req',
    ...kind,
    ...subject,
    ...usage,
    '-keyout',
    key,
    '-out',
    certificate,
  ]);
  const made = { key: await readFile(key, 'utf8'), certificate: await readFile(certificate, 'utf8') };
  await rm(directory, { recursive: true });
  return made;
}
