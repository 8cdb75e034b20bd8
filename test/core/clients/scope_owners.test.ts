// Where the owners of a scope are found, and how often they are read.
import { maxServers, openClientCache } from '../../../src/core/clients/client_cache.ts';
import { createResourceServer, updateResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { findMeant, listScopeOwners } from '../../../src/core/clients/scope_owners.ts';
import { present } from '../../../src/core/store/sql_time.ts';
import { makeClient } from '../../helpers/builders.ts';
import { statementsOf } from '../../helpers/statements.ts';
import { testOnStores } from '../../helpers/stores.ts';

const own_resource = 'https://id.example.test/api';
const last = 'https://z.example.test';

testOnStores(
  'owners beyond the client cache are read once, and again when a resource server has changed',
  async (t, { db }) => {
    const now = present(db);
    const many = Array.from({ length: maxServers }, (_, at) => ({
      identifier: `https://a${at}.example.test`,
      scope: `a${at}`,
      access_token_format: 'jwt' as const,
      created_at: now,
      updated_at: now,
    }));
    await db('resource_servers').insert(many);
    await createResourceServer(db, { identifier: last, scope: 'z:read' });
    const { client_id } = await makeClient(db);
    const cache = openClientCache(db, own_resource);
    const find = async (scope: string) => {
      const found = await cache.findCurrent(client_id, 0);
      return findMeant(await listScopeOwners(db, found?.servers, own_resource), [scope]);
    };
    t.is((await cache.servers()).has(last), false, 'the cache does not hold it');
    t.is(await find('z:read'), last);
    const reads = await statementsOf(db, () => find('z:read'));
    t.deepEqual(
      reads.filter((sql) => sql.includes('resource_servers')),
      [],
    );
    await updateResourceServer(db, last, { scope: 'z:write' });
    t.is(await find('z:write'), last);
    t.is(await find('z:read'), null);
  },
);
