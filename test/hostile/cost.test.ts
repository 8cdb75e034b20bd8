// The largest requests that the limits allow, to every endpoint, in shapes that cost more than linear work where a length
// check is missing. Each costs at most 2.5 times its half and at most 20 times an ordinary request, or 2.5 times
// itself at a twentieth of the size.
import test from 'ava';
import type { RequestOptions } from '../helpers/client.ts';
import { makeStore } from '../helpers/stores.ts';
import { giveTime } from '../helpers/until.ts';
import { costOf, medianCost } from './costs/meter.ts';
import { forms, headers, jsonBodies, jsons, values } from './costs/shapes.ts';
import { listMissing, listTargets, type Target } from './costs/targets.ts';
import { type MeasuredServer, startMeasured } from './fuzzing/measured_server.ts';
import { makeReferences } from './fuzzing/world.ts';

/** Bytes of a body at the default limit, and of a header beside the usual ones. */
const bodySize = 57_000;
const headerSize = 13_000;

const mostOfOrdinary = 20;
const mostOfHalf = 2.5;

interface Attack {
  name: string;
  /** The request at a size between 0 and 1, where 1 is the largest. */
  request: (size: number) => { path: string; question: RequestOptions };
}

test('every request costs at most linear work, and at most 20 times an ordinary one', async (t) => {
  giveTime(t, 12);
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const server = await startMeasured(t, store, { REGISTRATION: 'open', TRUST_PROXY: '1' });
  const references = await makeReferences(server);
  const targets = listTargets(references);
  t.deepEqual(listMissing(targets), [], 'an endpoint without a target');
  for (const { method, path, headers } of targets) await costOf(server, path, { method, headers });
  const ordinary = await ordinaryCost(server, references.user_token);
  const problems: string[] = [];
  let tried = 0;
  let worst = { cost: 0, name: '' };
  for (const target of targets) {
    for (const attack of attacksOn(target)) {
      const { cost, problem } = await judge(server, attack, ordinary);
      tried += 1;
      if (cost > worst.cost) worst = { cost, name: attack.name };
      if (problem) problems.push(problem);
      // A fault at every endpoint would otherwise take an hour to report.
      if (problems.length === 10) return t.fail(problems.join('\n'));
    }
  }
  t.log(
    `${tried} requests to ${targets.length} targets; ordinary ${ordinary} µs, worst ${worst.cost} µs: ${worst.name}`,
  );
  t.deepEqual(problems, []);
  // Milliseconds depend on the machine, so they are checked only where nothing else runs.
  if (process.env.SOAK) t.true(worst.cost <= 25_000, worst.name);
  t.true(server.isAlive());
});

async function ordinaryCost(server: MeasuredServer, token: string): Promise<number> {
  const question = { headers: { Authorization: `Bearer ${token}` } };
  await medianCost(server, '/api/me', question, 30);
  return await medianCost(server, '/api/me', question, 31);
}

/** How often a request is judged before it is a problem: a collection of garbage can fall into most runs of one measurement. */
const judgements = 3;

/** A request that is cheap at the first run is fine; any other is measured several times. */
async function judge(server: MeasuredServer, attack: Attack, ordinary: number) {
  const cheap = (mostOfOrdinary / 4) * ordinary;
  const { path, question } = attack.request(1);
  const { cost, answer } = await costOf(server, path, question);
  if (answer.status >= 500)
    return { cost, problem: `${attack.name}: ${answer.status} ${answer.text.slice(0, 200)}` };
  if (cost <= cheap) return { cost, problem: null };
  let judged = await measure(server, attack, { ordinary, cheap });
  for (let more = 1; more < judgements && judged.problem; more += 1)
    judged = await measure(server, attack, { ordinary, cheap });
  return judged;
}

async function measure(
  server: MeasuredServer,
  { name, request }: Attack,
  { ordinary, cheap }: { ordinary: number; cheap: number },
) {
  const { path, question } = request(1);
  const whole = await medianCost(server, path, question);
  if (whole <= cheap) return { cost: whole, problem: null };
  const half = request(0.5);
  const halved = await medianCost(server, half.path, half.question);
  const small = request(0.05);
  // A page that costs much at any size, such as the account page, costs no more by being attacked.
  const isBounded =
    whole <= mostOfOrdinary * ordinary ||
    whole <= mostOfHalf * (await medianCost(server, small.path, small.question));
  const isFine = isBounded && whole <= mostOfHalf * Math.max(halved, cheap);
  const problem = `${name}: ${whole} µs, its half ${halved}, an ordinary one ${ordinary}`;
  return { cost: whole, problem: isFine ? null : problem };
}

function attacksOn(target: Target): Attack[] {
  const named = (name: string) => `${target.method} ${target.path}, ${name}`;
  const bodies = target.body === 'json' ? inJson(target) : target.body === 'form' ? inForm(target) : [];
  return [...bodies, ...inQuery(target), ...inHeaders(target)].map((one) => ({
    ...one,
    name: named(one.name),
  }));
}

const encode = (text: string) => encodeURIComponent(text.toWellFormed());
const encodeForm = (fields: Record<string, string>) =>
  Object.entries(fields)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');

/** The form with a text appended, unescaped, as only an attacker sends it. */
function inForm({ method, path, headers: own, fields }: Target): Attack[] {
  const type = { ...own, 'Content-Type': 'application/x-www-form-urlencoded' };
  const asked = (body: string) => ({ path, question: { method, headers: type, body } });
  const without = (name: string) =>
    encodeForm(Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name)));
  const names = Object.keys(fields);
  const room = bodySize - encodeForm(fields).length;
  return [
    ...names.flatMap((name) =>
      Object.entries(values).map(([shape, make]) => ({
        name: `${name} of ${shape}`,
        request: (size: number) => asked(`${without(name)}&${name}=${cut(make(size * room), size * room)}`),
      })),
    ),
    ...Object.entries(forms).map(([shape, make]) => ({
      name: `a form of ${shape}`,
      request: (size: number) => asked(`${encodeForm(fields)}&${make(size * room, names.at(-1) ?? 'a')}`),
    })),
  ];
}

/** All members of the endpoint in one body: the schema checks each of them. */
function inJson({ method, path, headers: own, fields }: Target): Attack[] {
  const type = { ...own, 'Content-Type': 'application/json' };
  const asked = (body: string) => ({ path, question: { method, headers: type, body } });
  const names = Object.keys(fields);
  const texts = Object.entries(values).map(([shape, make]): [string, (size: number) => string] => [
    shape,
    (size) => `"${cut(make(size), size)}"`,
  ]);
  const members = (size: number, make: (size: number) => string) =>
    names.map((name) => `"${name}":${make((size * bodySize) / names.length - name.length - 6)}`);
  return [
    ...[...texts, ...Object.entries(jsons)].map(([shape, make]) => ({
      name: `JSON of ${shape}`,
      request: (size: number) => asked(`{${members(size, make).join(',')}}`),
    })),
    ...Object.entries(jsonBodies).map(([shape, make]) => ({
      name: `JSON of ${shape}`,
      request: (size: number) => asked(make(size * bodySize)),
    })),
  ];
}

function inQuery({ method, path, headers: own, fields }: Target): Attack[] {
  const room = headerSize - Object.values(own).join('').length;
  const isKnown = method === 'GET';
  const asked = (query: string) => ({ path: `${path}?${query}`, question: { method, headers: own } });
  const known = isKnown ? Object.keys(fields) : [];
  return [
    ...known.flatMap((name) =>
      Object.entries(values).map(([shape, make]) => ({
        name: `${name} of ${shape}`,
        request: (size: number) =>
          asked(
            `${encodeForm({ ...fields, [name]: '' })}&${name}=${encode(make(size * room)).slice(0, size * room - 2_000)}`,
          ),
      })),
    ),
    ...Object.entries(forms).map(([shape, make]) => ({
      name: `a query of ${shape}`,
      request: (size: number) => asked(make(size * room, known.at(-1) ?? 'a')),
    })),
  ];
}

function inHeaders({ method, path, headers: own, body, fields }: Target): Attack[] {
  const room = headerSize - Object.values(own).join('').length;
  const type = body === 'json' ? 'application/json' : 'application/x-www-form-urlencoded';
  const sent = body === 'none' ? {} : { body: body === 'json' ? '{}' : encodeForm(fields) };
  const typed: Record<string, string> = body === 'none' ? {} : { 'Content-Type': type };
  return Object.entries(headers).map(([name, make]) => ({
    name: `the header ${name}`,
    request: (size: number) => ({
      path,
      question: { method, ...sent, headers: { ...typed, ...own, [name]: make(size * room) } },
    }),
  }));
}

/** The text, cut to at most `size` bytes. */
function cut(text: string, bytes: number): string {
  const whole = Buffer.from(text);
  return whole.length <= bytes ? text : whole.subarray(0, bytes).toString().replaceAll('\ufffd', '');
}
