// Values for a JSON Schema of the OpenAPI document: valid ones, which the requests then alter.
import { fc } from '../../helpers/fuzzing.ts';
import { json, mostly, publicText } from './values.ts';

export interface Schema {
  type?: string;
  format?: string;
  pattern?: string;
  enum?: unknown[];
  const?: unknown;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  items?: Schema;
  maxItems?: number;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
}

const references: Record<string, string[]> = {
  id: ['{{session_id}}', '{{device_id}}', '{{spare_user_id}}', '{{ended_session_id}}', '{{browser_id}}'],
  session_id: ['{{session_id}}', '{{ended_session_id}}'],
  user_id: ['{{user_id}}', '{{spare_user_id}}'],
  client_id: ['{{spare_client_id}}', '{{registered_client}}'],
  identifier: ['{{resource}}'],
  cursor: ['{{cursor}}', '{{cursor|flip:9}}', '{{cursor|cut:20}}'],
};

const formats: Record<string, fc.Arbitrary<string>> = {
  uuid: fc.uuid(),
  'date-time': fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  // Only hosts whose lookup does not leave this machine.
  uri: fc.stringMatching(/^https:\/\/(127\.0\.0\.1:1|\[::1\]:1|[a-z]{1,8}\.localhost:1)\/[a-z]{0,8}$/),
  email: fc.emailAddress(),
};

/** Mostly valid values for a schema; a member called `name` may name an existing object. */
export function valueFor(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const known = Object.hasOwn(references, name) ? references[name] : undefined;
  if (known) return fc.oneof(fc.constantFrom(...known), publicText);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return mostly(fc.constantFrom(...schema.enum));
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => valueFor(one, name)));
  switch (schema.type) {
    case 'string':
      return mostly(textFor(schema));
    case 'integer':
    case 'number':
      return numberFor(schema);
    case 'boolean':
      return fc.oneof({ weight: 4, arbitrary: fc.boolean() }, json);
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.oneof(
        { weight: 4, arbitrary: fc.array(valueFor(schema.items ?? {}), { maxLength: 4 }) },
        json,
      );
    case 'object':
      return schema.properties ? objectFor(schema) : json;
    default:
      return json;
  }
}

function textFor({ format, pattern, minLength = 0, maxLength = 200 }: Schema): fc.Arbitrary<string> {
  const known = format === undefined ? undefined : formats[format];
  if (known) return known;
  if (pattern !== undefined)
    return fc.oneof(fc.stringMatching(/^[a-z][a-z0-9-]{2,20}$/), patternText(pattern));
  const sizes = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, 200)) };
  return fc.oneof(fc.string(sizes), fc.string({ ...sizes, unit: 'grapheme' }));
}

// A pattern that the generator does not support (\p{…}, look-arounds) is replaced by names.
function patternText(pattern: string): fc.Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern, 'u'));
  } catch {
    return fc.stringMatching(/^[a-z]{3,10}$/);
  }
}

function numberFor({ minimum = -1_000, maximum = 1_000 }: Schema): fc.Arbitrary<unknown> {
  const [min, max] = [Math.max(minimum, -(2 ** 31)), Math.min(maximum, 2 ** 31)];
  return fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min, max }) },
    fc.constantFrom(minimum - 1, maximum + 1, 0.5),
    json,
  );
}

function objectFor({ properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
  const values = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [
      name,
      fc.option(valueFor(schema, name), { freq: required.includes(name) ? 12 : 1, nil: undefined }),
    ]),
  );
  const good = fc.record(values);
  return fc.oneof(
    { weight: 8, arbitrary: good },
    { weight: 1, arbitrary: withMore(good) },
    { weight: 1, arbitrary: json },
  );
}

function withMore(good: fc.Arbitrary<object>): fc.Arbitrary<unknown> {
  const more = fc.dictionary(fc.constantFrom('extra', 'constructor', 'toString', '__proto__', 'id'), json, {
    maxKeys: 2,
  });
  return fc.tuple(good, more).map(([one, other]) => ({ ...one, ...other }));
}
