// Credentials and headers of generated requests: none, valid ones and malformed ones.
import { fc } from '../../helpers/fuzzing.ts';
import type { Pair } from './request.ts';
import { publicText, secretText, text } from './values.ts';

const bearers = ['{{user_token}}', '{{admin_token}}', '{{machine_token}}'];
const otherTokens = [
  '{{opaque_token}}',
  '{{refresh_token}}',
  '{{id_token}}',
  '{{registration_token}}',
  '{{user_token|flip:30}}',
  '{{admin_token|cut:200}}',
  '{{admin_token|flip:9}}',
];

/** An `Authorization` header, mostly one with the token `usual`; or none. */
export function authorization(usual: string): fc.Arbitrary<Pair[]> {
  const bearer = (token: string): Pair[] => [['Authorization', `Bearer ${token}`]];
  return fc.oneof(
    { weight: 14, arbitrary: fc.constant(bearer(usual)) },
    { weight: 1, arbitrary: fc.constantFrom(...bearers, ...otherTokens).map(bearer) },
    { weight: 1, arbitrary: fc.constant<Pair[]>([]) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom('Bearer', 'bearer', 'DPoP', 'Basic', 'Digest', '', 'Bearer  '), secretText)
        .map(([scheme, value]): Pair[] => [['Authorization', `${scheme} ${value}`]]),
    },
  );
}

const encoded = (pair: string) => Buffer.from(pair).toString('base64');

/** `client_secret_basic`, right, wrong and unreadable. */
export const basic: fc.Arbitrary<Pair[]> = fc
  .oneof(
    { weight: 2, arbitrary: fc.constant('{{machine_basic}}') },
    fc.constantFrom('gateway:', ':', '::::', '%:%', '%zz:x', '\0:\0').map(encoded),
    fc.tuple(text, secretText).map(([name, value]) => encoded(`${name.slice(0, 100)}:${value}`)),
  )
  .map((credentials): Pair[] => [['Authorization', `Basic ${credentials}`]]);

const odd: Record<string, fc.Arbitrary<string>> = {
  Accept: fc.constantFrom('text/html', '*/*', 'application/token-introspection+jwt', ';;q=', 'a/b;q=9e99'),
  'Accept-Language': fc.constantFrom('de', '\ud800', '*;q=x'),
  Origin: fc.constantFrom('null', 'https://evil.localhost', '{{issuer}}', 'http://[', 'https://app.example'),
  Cookie: fc.oneof(
    fc.constantFrom(
      '{{cookies}}',
      '{{account_cookies}}',
      '{{cookies|flip:60}}',
      'kindred_session=x; kindred_session.sig=x',
      '=;=;;',
      '__proto__=1',
      '%=%ff',
    ),
    secretText,
  ),
  DPoP: fc.oneof(fc.constantFrom('{{dpop_proof}}', '{{user_token}}', 'a.b.c', '..', ''), secretText),
  'X-Forwarded-For': fc.constantFrom('1.2.3.4', 'x', '::ffff:1.2.3.4, unknown', ','.repeat(500)),
  'X-Forwarded-Proto': fc.constantFrom('https', 'javascript'),
  'X-Forwarded-Host': fc.constant('evil.localhost'),
  Host: fc.constantFrom('evil.localhost', '', 'a b', '[::1', 'x:99999'),
  // The log and the audit trail keep this header.
  'User-Agent': publicText,
  'Content-Encoding': fc.constantFrom('gzip', 'br', 'deflate', 'identity', 'x'),
  Referer: fc.constant('https://evil.localhost/'),
  'If-None-Match': fc.constantFrom('*', '"x"'),
  Range: fc.constant('bytes=0-1'),
  traceparent: fc.constantFrom('00-x', `00-${'f'.repeat(32)}-${'f'.repeat(16)}-01`),
  'X-HTTP-Method-Override': fc.constant('DELETE'),
};

/** At most two further headers. */
export const oddHeaders: fc.Arbitrary<Pair[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Pair[]>([]) },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.oneof(...Object.entries(odd).map(([name, value]) => value.map((one): Pair => [name, one]))),
      { minLength: 1, maxLength: 2 },
    ),
  },
);

/** The content type of a body: the right one or another. */
export function contentType(own: string): fc.Arbitrary<Pair[]> {
  const types = [
    'application/json',
    'application/x-www-form-urlencoded',
    'application/x-www-form-urlencoded; charset=utf-16',
    'application/json; charset=utf-7',
    'multipart/form-data; boundary=x',
    'text/plain',
    'application/jwt',
    'nonsense',
    '',
  ];
  const named = (type: string): Pair[] => [['Content-Type', type]];
  return fc.oneof(
    { weight: 9, arbitrary: fc.constant(named(own)) },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...types).map(named), fc.constant<Pair[]>([])) },
  );
}

/** A method: the right one or another. CONNECT and upgrades never reach an app. */
export function method(own: string): fc.Arbitrary<string> {
  const others = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'];
  return fc.oneof({ weight: 12, arbitrary: fc.constant(own) }, fc.constantFrom(...others));
}
