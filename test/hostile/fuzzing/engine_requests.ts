// Requests to the engine's endpoints and to the pages, with good and bad values of their parameters.
import { fc } from '../../helpers/fuzzing.ts';
import { anyBody } from './api_requests.ts';
import { endpoints } from './endpoints.ts';
import type { Endpoint } from './grants.ts';
import { authorization, basic, contentType, method, oddHeaders } from './headers.ts';
import type { Body, FuzzRequest, Pair } from './request.ts';
import { json, publicText, secretText, text } from './values.ts';

const secretField = /secret|password|token|assertion|code|verifier|csrf|xsrf|request_uri/;

/** A request to any of these endpoints. */
export const engineRequest: fc.Arbitrary<FuzzRequest> = fc.oneof(...endpoints.map(requestTo));

function requestTo(endpoint: Endpoint): fc.Arbitrary<FuzzRequest> {
  const { method: own, path, fields = {}, isJson = false, cookies, token } = endpoint;
  const inQuery = own === 'GET' || own === 'DELETE';
  const pairs = fieldsOf(fields);
  const type = isJson ? 'application/json' : 'application/x-www-form-urlencoded';
  return fc.record({
    method: method(own),
    path: fc.tuple(...path.map(segment)),
    query: inQuery ? pairs : fc.oneof({ weight: 9, arbitrary: fc.constant<Pair[]>([]) }, pairs),
    isRaw: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
    headers: fc
      .tuple(
        credentials(token),
        inQuery ? fc.constant<Pair[]>([]) : contentType(type),
        cookies === undefined ? fc.constant<Pair[]>([]) : cookie(cookies),
        oddHeaders,
      )
      .map((lists) => lists.flat()),
    body: inQuery ? fc.constant<Body>({ kind: 'none' }) : bodyOf(pairs, isJson),
  });
}

function segment(part: string): fc.Arbitrary<string> {
  if (!part.startsWith('{{')) return fc.constant(part);
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant(part) },
    publicText.map((one) => one.slice(0, 4_000)),
  );
}

function credentials(token: string | undefined): fc.Arbitrary<Pair[]> {
  if (token) return authorization(token);
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant<Pair[]>([]) },
    { weight: 3, arbitrary: basic },
    authorization('{{user_token}}'),
  );
}

function cookie(usual: string): fc.Arbitrary<Pair[]> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant<Pair[]>([['Cookie', usual]]) },
    fc.constant<Pair[]>([]),
    fc.nat(300).map((at): Pair[] => [['Cookie', usual.replace('}}', `|flip:${at}}}`)]]),
  );
}

/** Mostly the endpoint's parameters; sometimes another value, a repeated one, a list or an unknown name. */
function fieldsOf(fields: NonNullable<Endpoint['fields']>): fc.Arbitrary<Pair[]> {
  const known = Object.entries(fields).map(([name, values]) => {
    const strange = secretField.test(name) ? fc.oneof(secretText, text) : text;
    const value = fc.oneof(
      { weight: 7, arbitrary: fc.constantFrom(...values) },
      { weight: 1, arbitrary: strange },
    );
    const pairs = value.map((one): Pair[] => [[name, one]]);
    const twice = fc.tuple(value, value).map(([one, other]): Pair[] => [
      [name, one],
      [name, other],
    ]);
    return fc.oneof(
      { weight: 16, arbitrary: pairs },
      { weight: 3, arbitrary: fc.constant<Pair[]>([]) },
      { weight: 1, arbitrary: twice },
      { weight: 1, arbitrary: value.map((one): Pair[] => [[`${name}[]`, one]]) },
      { weight: 1, arbitrary: value.map((one): Pair[] => [[`${name}[__proto__]`, one]]) },
    );
  });
  const names = [
    '__proto__',
    'constructor',
    'toString',
    '',
    'claims',
    'request',
    'registration',
    'id_token_hint',
  ];
  const more = fc.array(fc.tuple(fc.constantFrom(...names), text), { maxLength: 1 });
  return fc.tuple(fc.tuple(...known), more).map(([one, other]) => [...one.flat(), ...other]);
}

function bodyOf(pairs: fc.Arbitrary<Pair[]>, isJson: boolean): fc.Arbitrary<Body> {
  const good = isJson
    ? fc
        .tuple(
          pairs,
          fc.dictionary(fc.constantFrom('jwks', 'scope', 'contacts', 'first_party', 'kindred'), json),
        )
        .map(
          ([list, more]): Body => ({
            kind: 'json',
            value: { ...Object.fromEntries(list.map(unpack)), ...more },
          }),
        )
    : pairs.map((fields): Body => ({ kind: 'form', fields }));
  return fc.oneof({ weight: 9, arbitrary: good }, anyBody);
}

// Values of a JSON endpoint that are not texts are written as JSON.
function unpack([name, value]: Pair): [string, unknown] {
  if (!/^[[{]|^(true|false|null|\d+)$/.test(value)) return [name, value];
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}
