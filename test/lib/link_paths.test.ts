import test from 'ava';
import { isLinkToken, linkPaths, withoutSecret } from '../../src/lib/link_paths.ts';
import { takeRandom } from '../../src/lib/random.ts';

const token = takeRandom(32).toString('base64url');

test('the secret of a link stands in no logged path, however the path is spelled', (t) => {
  for (const name of linkPaths) {
    t.is(withoutSecret(`/${name}/${token}`), `/${name}/…`);
    t.is(withoutSecret(`/${name.toUpperCase()}/${token}/`), `/${name.toUpperCase()}/…/`);
    t.is(withoutSecret(`//${name}//${token}`), `//${name}//…`);
    t.is(withoutSecret(`/${name}/${token}.`), `/${name}/…`);
  }
});

test('other paths are logged as they are', (t) => {
  for (const path of ['/recover', '/recover/code', `/interaction/${token}`, '/api/recovery', '/'])
    t.is(withoutSecret(path), path);
});

test('a secret of a link is 32 bytes in base64url, and nothing else', (t) => {
  t.true(isLinkToken(token));
  for (const other of ['', 'code', `${token}a`, token.slice(1), `${token.slice(1)}=`, `${token}\n`])
    t.false(isLinkToken(other), other);
});
