// Checking a DPoP proof when the error is not in the proof.
import test from 'ava';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { loadConfig } from '../../../config/index.ts';
import type { Deps } from '../../../src/core/deps.ts';
import { verifyDpopProof } from '../../../src/http/api/dpop.ts';
import { makeKey, proofFor } from '../../helpers/dpop.ts';
import { environment } from '../../helpers/server.ts';

test('an error of the server is not reported as an invalid proof', async (t) => {
  const config = loadConfig(environment('sqlite:/nowhere'));
  const key = await makeKey();
  const expected = {
    jkt: await calculateJwkThumbprint(await exportJWK(key.publicKey)),
    method: 'GET',
    path: '/api/me',
    accessToken: 'token',
  };
  const proof = await proofFor(key, 'GET', `${config.issuer}/api/me`, { accessToken: 'token' });
  // Without a database, code that reads it throws a TypeError.
  const deps = { config, clock: { now: () => Date.now() } } as unknown as Deps;
  await t.throwsAsync(verifyDpopProof(deps, proof, expected), { instanceOf: TypeError });
  t.false(await verifyDpopProof(deps, 'a.b.c', expected));
});
