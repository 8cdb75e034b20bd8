import test from 'ava';
import { idFromBytes, idToBytes, newId, parseId, timeOfId } from '../../src/lib/ids.ts';
import { fc } from '../helpers/fuzzing.ts';

const moment = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test('a new id is a UUID of version 7 and variant 10', (t) => {
  fc.assert(
    fc.property(moment, (now) => {
      t.regex(newId(now), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }),
  );
});

test('an id begins with the millisecond in which it was made', (t) => {
  // The example of RFC 9562, appendix A.6.
  t.true(newId(0x017f22e279b0).startsWith('017f22e2-79b0-7'));
  const [before, id, after] = [Date.now(), newId(), Date.now()];
  const made = idToBytes(id).readUIntBE(0, 6);
  t.true(before <= made && made <= after);
  t.deepEqual(timeOfId(id), new Date(made));
});

test('ids sort by the time they were made', (t) => {
  fc.assert(
    fc.property(moment, moment, (a, b) => {
      fc.pre(a !== b);
      t.is(newId(a) < newId(b), a < b);
      t.is(Buffer.compare(idToBytes(newId(a)), idToBytes(newId(b))) < 0, a < b);
    }),
  );
});

test('ids of one millisecond differ', (t) => {
  const ids = new Set(Array.from({ length: 10_000 }, () => newId(1)));
  t.is(ids.size, 10_000);
});

test('the bytes and the text of an id convert to each other', (t) => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      t.is(idToBytes(id).length, 16);
      t.is(idFromBytes(idToBytes(id)), id);
    }),
  );
});

test('an id is accepted in either case and returned in lower case', (t) => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      t.is(parseId(id), id);
      t.is(parseId(id.toUpperCase()), id);
    }),
  );
});

test('text that is not a UUID is no id', (t) => {
  const id = newId();
  const broken = ['', 'x', id.slice(1), `${id}0`, ` ${id}`, `${id}\n`, id.replaceAll('-', ''), `{${id}}`];
  for (const value of [...broken, undefined, null, 1, {}, [id], Symbol.iterator]) t.is(parseId(value), null);
  fc.assert(fc.property(fc.string(), (value) => t.is(parseId(value), null)));
});
