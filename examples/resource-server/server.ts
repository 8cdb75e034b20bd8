// An API that accepts access tokens of Kindred. Reading verifies them locally, with the published keys of the issuer;
// deleting asks the issuer, so that a logout or a ban takes effect at once.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';

const { ISSUER = 'http://127.0.0.1:3000', AUDIENCE = 'https://notes.example/', PORT = '4001' } = process.env;
const { CLIENT_ID = 'notes-api', CLIENT_SECRET = '' } = process.env;

const answer = await fetch(`${ISSUER}/.well-known/openid-configuration`);
const { jwks_uri, introspection_endpoint } = (await answer.json()) as Record<string, string>;
const keys = createRemoteJWKSet(new URL(jwks_uri ?? ''));

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
  }
}

/** The claims of a JWT that the issuer signed for this API and that has not expired. Does not notice a logout before that. */
async function verifyLocally(token: string): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt' });
    return payload;
  } catch (error) {
    // Any other error means that the keys cannot be fetched, which is not the caller's fault.
    if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout))
      throw new Refusal(401, 'invalid_token');
    throw error;
  }
}

/** What the issuer says about a token now (RFC 7662), for JWTs and opaque tokens. */
async function introspect(token: string): Promise<JWTPayload> {
  const basic = Buffer.from(`${CLIENT_ID}:${encodeURIComponent(CLIENT_SECRET)}`).toString('base64');
  const response = await fetch(introspection_endpoint ?? '', {
    method: 'POST',
    headers: { Authorization: `Basic ${basic}` },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
  });
  if (!response.ok) throw new Error(`introspection answered ${response.status}: ${await response.text()}`);
  const claims = (await response.json()) as JWTPayload & { active: boolean };
  if (!claims.active || claims.aud !== AUDIENCE) throw new Refusal(401, 'invalid_token');
  return claims;
}

const routes: Record<string, { scope: string; verify: typeof introspect; answer: (user: string) => object }> =
  {
    'GET /notes': { scope: 'notes:read', verify: verifyLocally, answer: (user) => ({ notes: [], of: user }) },
    'DELETE /notes': {
      scope: 'notes:write',
      verify: introspect,
      answer: (user) => ({ deleted: 0, of: user }),
    },
  };

async function handle({ method, url, headers }: IncomingMessage): Promise<object> {
  const route = routes[`${method} ${url}`];
  if (!route) throw new Refusal(404, 'not_found');
  const [, token] = /^Bearer ([\w.~+/-]+=*)$/i.exec(headers.authorization ?? '') ?? [];
  if (!token) throw new Refusal(401, 'missing_token');
  const claims = await route.verify(token);
  // A token with `cnf` is valid only with a proof (DPoP, mTLS), which this example does not check.
  if (claims.cnf || !claims.sub) throw new Refusal(401, 'invalid_token');
  if (
    !String(claims.scope ?? '')
      .split(' ')
      .includes(route.scope)
  )
    throw new Refusal(403, 'insufficient_scope');
  return route.answer(claims.sub);
}

function refuse(response: ServerResponse, error: unknown): void {
  if (!(error instanceof Refusal)) console.error(error);
  const [status, code] = error instanceof Refusal ? [error.status, error.message] : [500, 'server_error'];
  const detail = code === 'missing_token' ? '' : ` error="${code}"`;
  const challenge = status === 401 || status === 403 ? { 'WWW-Authenticate': `Bearer${detail}` } : {};
  response.writeHead(status, { 'Content-Type': 'application/json', ...challenge });
  response.end(JSON.stringify({ error: code }));
}

const server = createServer((request, response) => {
  handle(request).then(
    (body) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body)),
    (error) => refuse(response, error),
  );
});
server.listen(Number(PORT), '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/notes`),
);
