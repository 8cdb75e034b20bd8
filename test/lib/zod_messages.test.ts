import test from 'ava';
import { z } from 'zod';
import { findClosest } from '../../src/lib/zod_messages.ts';

const schema = z.strictObject({
  name: z.string().min(1).max(5),
  port: z.coerce.number().int().min(1).max(65_535),
  kind: z.enum(['a', 'b', 'c']).default('a'),
  redirect_uris: z.array(z.url()).min(1).max(2).optional(),
  on: z.boolean().optional(),
  at: z.iso.datetime().optional(),
  own: z.string().regex(/^x$/, 'must be x').optional(),
  named: z.record(z.string().min(2).regex(/^a/, 'must begin with a'), z.string()).optional(),
});

const good = { name: 'n', port: 1 };

function said(value: unknown): string[] {
  const { error } = schema.safeParse(value);
  return (error?.issues ?? []).map(({ path, message }) => [...path, message].join(': '));
}

test('problems of values are described in plain English', (t) => {
  t.deepEqual(said(good), []);
  t.deepEqual(said(undefined), ['is missing']);
  t.deepEqual(said([]), ['must be an object']);
  t.deepEqual(said({ port: 1 }), ['name: is missing']);
  t.deepEqual(said({ ...good, name: 5 }), ['name: must be a text']);
  t.deepEqual(said({ ...good, name: '' }), ['name: must not be empty']);
  t.deepEqual(said({ ...good, name: 'longer' }), ['name: must have at most 5 characters']);
  t.deepEqual(said({ ...good, port: 'many' }), ['port: must be a number']);
  t.deepEqual(said({ ...good, port: 1.5 }), ['port: must be a whole number']);
  t.deepEqual(said({ ...good, port: 70_000 }), ['port: must be at most 65535']);
  t.deepEqual(said({ ...good, port: 0 }), ['port: must be at least 1']);
  t.deepEqual(said({ ...good, kind: 'd' }), ['kind: must be a, b or c']);
  t.deepEqual(said({ ...good, on: 'yes' }), ['on: must be true or false']);
  t.deepEqual(said({ ...good, named: { b: 'x' } }), [
    'named: b: must have at least 2 characters; must begin with a',
  ]);
  t.deepEqual(said({ ...good, redirect_uris: [] }), ['redirect_uris: must not be empty']);
  t.deepEqual(said({ ...good, redirect_uris: ['x'] }), ['redirect_uris: 0: must be a URL, with its scheme']);
  t.deepEqual(said({ ...good, redirect_uris: ['a:b', 'a:b', 'a:b'] }), [
    'redirect_uris: must have at most 2 items',
  ]);
  t.deepEqual(said({ ...good, at: 'now' }), ['at: must be a time such as 2030-01-31T12:00:00Z']);
  t.deepEqual(said({ ...good, own: 'y' }), ['own: must be x']);
});

test('an unknown member gets a suggestion when a known name is close', (t) => {
  t.deepEqual(said({ ...good, redirect_uri: [] }), [
    'unknown member "redirect_uri" (did you mean redirect_uris?)',
  ]);
  t.deepEqual(said({ ...good, nonsense: 1, nmae: 2 }), [
    'unknown members "nonsense", "nmae" (did you mean name?)',
  ]);
  const many = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`${i}${'x'.repeat(100)}`, 1]));
  const [message = ''] = said({ ...good, ...many }) ?? [];
  t.true(message.endsWith(' and 895 more') && message.length < 400, message);
});

test('a misspelling gets a suggestion, and another word gets none', (t) => {
  const commands = ['clients', 'create-user', 'logout', 'keys'];
  t.is(findClosest('creat-user', commands), 'create-user');
  t.is(findClosest('log-out', commands), 'logout');
  t.is(findClosest('clinets', commands), 'clients');
  for (const other of ['events', 'users', '', 'x'.repeat(10_000)])
    t.is(findClosest(other, commands), undefined, other);
});
