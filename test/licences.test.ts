// What a deployment installs: under which licences, from where, and unchanged.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { isAllowed, licencesPage, readLock, updateCommand } from '../config/licences.ts';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

test('every package of a deployment is under a licence that allows it', (t) => {
  const installed = readLock().filter((one) => !one.isDev);
  t.true(installed.length > 100);
  t.deepEqual(
    installed.filter((one) => !isAllowed(one.license)).map(({ name, license }) => `${name}: ${license}`),
    [],
  );
});

test('licence expressions with OR and AND are evaluated', (t) => {
  for (const good of ['MIT', '(MIT OR WTFPL)', 'GPL-3.0 OR ISC', '(MIT AND ISC)'])
    t.true(isAllowed(good), good);
  for (const bad of [null, '', 'GPL-3.0', 'MIT AND GPL-3.0', 'UNLICENSED', 'SEE LICENSE IN x', 'constructor'])
    t.false(isAllowed(bad), String(bad));
});

test('docs/licences.md lists the packages of the lock file', (t) => {
  t.true(
    read('docs/licences.md') === licencesPage(),
    `docs/licences.md is out of date; run: ${updateCommand}`,
  );
});

test('the lock file names no registry, and its digests let npm detect a changed package', (t) => {
  const all = readLock();
  t.deepEqual(
    all.filter((one) => one.resolved !== null).map((one) => one.name),
    [],
  );
  t.deepEqual(
    all.filter((one) => !one.integrity?.startsWith('sha512-')).map(({ name }) => name),
    [],
  );
});

test('native packages are locked for the platforms of containers and Macs too', (t) => {
  const locked = new Set(readLock().map(({ name }) => name));
  for (const build of ['@node-rs/argon2', '@node-rs/bcrypt'])
    for (const platform of [
      'linux-x64-gnu',
      'linux-x64-musl',
      'linux-arm64-gnu',
      'linux-arm64-musl',
      'darwin-arm64',
    ])
      t.true(locked.has(`${build}-${platform}`), `${build}-${platform}`);
});
