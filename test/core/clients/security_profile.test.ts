// The metadata of clients of the FAPI 2.0 profile: what is filled in, what is refused, and what an old row cannot take back.
import test from 'ava';
import { openClientCache } from '../../../src/core/clients/client_cache.ts';
import type { ClientChange, NewClient } from '../../../src/core/clients/client_metadata.ts';
import {
  createClient,
  describeClient,
  findClient,
  retryWindowOf,
  updateClient,
} from '../../../src/core/clients/clients.ts';
import { explainProfile } from '../../../src/core/clients/rotation_profiles.ts';
import { requireSenderConstrained } from '../../../src/core/clients/security_profile.ts';
import { json } from '../../../src/core/store/columns.ts';
import type { Db } from '../../../src/core/store/db.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { testOnStores } from '../../helpers/stores.ts';

const jwks = { keys: [{ kty: 'EC' }] };
const redirect_uris = ['https://bank.example/cb'];
const least: NewClient = {
  client_id: 'bank',
  security_profile: 'fapi2',
  first_party: false,
  redirect_uris,
  jwks,
};

const change = async (db: Db, given: ClientChange) =>
  await db.transaction((tx) => updateClient(tx, 'bank', given));

testOnStores('a client that names the profile alone gets all that belongs to it', async (t, { db }) => {
  const { client, client_secret } = await createClient(db, least);
  t.deepEqual(
    [client.metadata, client_secret],
    [
      {
        security_profile: 'fapi2',
        redirect_uris,
        jwks,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'private_key_jwt',
        require_pushed_authorization_requests: true,
        require_pkce: true,
        dpop_bound_access_tokens: true,
      },
      undefined,
    ],
  );
  t.is(client.refresh_token_retry_window, 86_400, 'for nodes that do not know the profile');
  t.is(retryWindowOf(client), 315_360_000);
  t.is(describeClient(client).refresh_token_retry_window, 86_400);
  t.regex(explainProfile(client), /^web: with security_profile fapi2 .* as long as the session lives/);
  const bound = await createClient(db, {
    ...least,
    client_id: 'bound',
    tls_client_certificate_bound_access_tokens: true,
  });
  t.is(bound.client.metadata.dpop_bound_access_tokens, false);
  const first = await createClient(db, { security_profile: 'fapi2', first_party: true, jwks });
  t.deepEqual(first.client.metadata.grant_types, ['client_credentials'], 'no passwords');
});

const methods = 'needs private_key_jwt or self_signed_tls_client_auth';
const algs = 'allows PS256, ES256 and EdDSA only';
const contradictions: [Partial<NewClient>, string][] = [
  [{ token_endpoint_auth_method: 'none' }, `token_endpoint_auth_method: security_profile fapi2 ${methods}`],
  [
    { token_endpoint_auth_method: 'client_secret_basic' },
    `token_endpoint_auth_method: security_profile fapi2 ${methods}`,
  ],
  [{ require_pkce: false }, 'require_pkce: security_profile fapi2 needs true'],
  [
    { require_pushed_authorization_requests: false },
    'require_pushed_authorization_requests: security_profile fapi2 needs true',
  ],
  [
    { dpop_bound_access_tokens: false },
    'dpop_bound_access_tokens: security_profile fapi2 needs tokens bound to one thing',
  ],
  [
    { dpop_bound_access_tokens: true, tls_client_certificate_bound_access_tokens: true },
    'dpop_bound_access_tokens: security_profile fapi2 needs tokens bound to one thing',
  ],
  [{ grant_types: ['password', 'refresh_token'] }, 'grant_types: security_profile fapi2 has no password'],
  [
    { redirect_uris: ['http://bank.example/cb'] },
    'redirect_uris: security_profile fapi2 needs https, except for loopback addresses',
  ],
  [
    { token_endpoint_auth_signing_alg: 'RS256' },
    `token_endpoint_auth_signing_alg: security_profile fapi2 ${algs}`,
  ],
  [{ request_object_signing_alg: 'RS256' }, `request_object_signing_alg: security_profile fapi2 ${algs}`],
  [{ userinfo_signed_response_alg: 'RS256' }, `userinfo_signed_response_alg: security_profile fapi2 ${algs}`],
  [{ id_token_signed_response_alg: 'RS256' }, `id_token_signed_response_alg: security_profile fapi2 ${algs}`],
  [
    { refresh_token_retry_window: 0 },
    'refresh_token_retry_window: security_profile fapi2 answers a retry for as long',
  ],
  [
    { rotation_profile: 'strict' },
    'rotation_profile: security_profile fapi2 answers a retry, and strict answers none',
  ],
];

testOnStores(
  'metadata that contradict the profile are refused by name, at creation and at a change',
  async (t, { db }) => {
    await createClient(db, least);
    const before = await findClient(db, 'bank');
    for (const [given, says] of contradictions) {
      const tries = [
        () => createClient(db, { ...least, client_id: 'other', ...given }),
        () => change(db, given),
      ];
      for (const attempt of tries) {
        const error = await t.throwsAsync(attempt(), { instanceOf: AppError });
        t.is(error?.code as string, 'invalid_client_metadata', says);
        t.true(error?.message.startsWith(says), error?.message);
      }
    }
    t.deepEqual(await findClient(db, 'bank'), before);
  },
);

testOnStores(
  'a client that joins the profile loses its outstanding tokens, and leaves it as it came',
  async (t, { db }) => {
    await createClient(db, { client_id: 'bank', redirect_uris, jwks, first_party: false });
    const before = await findClient(db, 'bank');
    const joined = await change(db, { security_profile: 'fapi2' });
    t.true((joined?.token_version ?? 0) > (before?.token_version ?? 0));
    t.is(joined?.metadata.dpop_bound_access_tokens, true);
    const left = await change(db, { security_profile: null });
    t.deepEqual([left?.refresh_token_retry_window, left?.metadata.dpop_bound_access_tokens], [20, true]);
  },
);

testOnStores('a row that contradicts its profile changes nothing of what requests see', async (t, { db }) => {
  await createClient(db, least);
  const weak = {
    ...least,
    token_endpoint_auth_method: 'none' as const,
    require_pushed_authorization_requests: false,
    require_pkce: false,
    dpop_bound_access_tokens: false,
  };
  await db('clients')
    .where({ client_id: 'bank' })
    .update({ metadata: json(weak) });
  const cached = await openClientCache(db, 'https://id.example/api').find('bank');
  for (const client of [await findClient(db, 'bank'), cached?.client]) {
    t.like(client?.metadata, {
      token_endpoint_auth_method: 'private_key_jwt',
      require_pushed_authorization_requests: true,
      require_pkce: true,
      dpop_bound_access_tokens: true,
    });
  }
});

test('an access token of the profile that is bound to nothing is refused, whatever was checked before', (t) => {
  const error = t.throws(() => requireSenderConstrained({ security_profile: 'fapi2' }, false), {
    instanceOf: AppError,
  });
  t.is(error?.code as string, 'invalid_grant');
  t.notThrows(() => requireSenderConstrained({ security_profile: 'fapi2' }, true));
  t.notThrows(() => requireSenderConstrained({}, false));
});
