import { verifyClientSecret } from '../../../src/core/clients/client_secrets.ts';
import { createClient, describeClient } from '../../../src/core/clients/clients.ts';
import { after } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText } from '../../helpers/tables.ts';

testOnStores(
  'a secret is verified, and appears neither in the database nor in a description',
  async (t, { db }) => {
    const at = new Date();
    const made = await createClient(db, { client_name: 'Machine' });
    const given = await createClient(db, { client_name: 'x', client_secret: 'a secret of their own!' });
    const secrets = [made.client_secret ?? '', given.client_secret ?? ''];
    t.is(secrets[1], 'a secret of their own!');
    const dump = await dumpText(db);
    for (const [i, { client }] of [made, given].entries()) {
      const own = secrets[i] ?? '';
      t.true(verifyClientSecret(client.secrets, own, at));
      for (const wrong of [
        '',
        ' ',
        `${own} `,
        own.slice(1),
        own.toUpperCase(),
        secrets[1 - i] ?? '',
        '\0',
        '\ud800',
      ]) {
        t.false(verifyClientSecret(client.secrets, wrong, at), wrong);
      }
      const [stored] = client.secrets;
      for (const part of [stored?.digest, stored?.salt, stored?.id]) {
        t.false(verifyClientSecret(client.secrets, String(part), at), 'the stored form is not a secret');
      }
      t.false(dump.includes(own));
      const described = JSON.stringify(describeClient(client));
      for (const hidden of [own, stored?.digest, stored?.salt]) t.false(described.includes(String(hidden)));
    }
    t.false(verifyClientSecret([], '', at), 'without secrets, the empty string is not a secret');
  },
);

testOnStores('both of two secrets are valid, and an expired one is not', async (t, { db }) => {
  const old = await createClient(db, { client_name: 'x', client_secret: 'the-old-secret-of-these-tests' });
  const young = await createClient(db, {
    client_name: 'x',
    client_secret: 'the-young-secret-of-these-tests',
  });
  const at = new Date('2030-01-01T00:00:00Z');
  const expiring = old.client.secrets.map((one) => ({ ...one, expires: at.toISOString() }));
  const both = [...expiring, ...young.client.secrets];
  const answers = (when: Date) =>
    ['the-old-secret-of-these-tests', 'the-young-secret-of-these-tests', 'no-secret'].map((one) =>
      verifyClientSecret(both, one, when),
    );
  t.deepEqual(answers(after(at, -0.001)), [true, true, false]);
  t.deepEqual(answers(at), [false, true, false]);
});
