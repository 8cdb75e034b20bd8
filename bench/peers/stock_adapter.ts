// The storage of the peer `stock`: one row per model, as in the Knex adapter among the engine's examples (one table, the
// payload as JSON text, `consumedAt` beside it), with the indexes that its lookups need.
import type { Knex } from 'knex';
import type { Adapter, AdapterPayload } from 'oidc-provider';

const table = 'oidc_payloads';

/** Creates the table. */
export async function createPayloads(db: Knex): Promise<void> {
  await db.schema.createTable(table, (columns) => {
    columns.text('id').notNullable();
    columns.text('type').notNullable();
    columns.text('payload').notNullable();
    columns.text('grantId').index();
    columns.text('userCode').index();
    columns.text('uid').index();
    columns.timestamp('expiresAt', { useTz: true });
    columns.timestamp('consumedAt', { useTz: true });
    columns.primary(['id', 'type']);
  });
}

interface Row {
  payload: string;
  consumedAt: Date | null;
}

/** The factory that the engine's `adapter` setting takes. */
export function createAdapter(db: Knex): (type: string) => Adapter {
  return (type) => {
    const where = (condition: Record<string, string>) => db(table).where({ type, ...condition });
    const find = async (condition: Record<string, string>): Promise<AdapterPayload | undefined> => {
      const [row] = (await where(condition)) as Row[];
      return row && { ...JSON.parse(row.payload), ...(row.consumedAt ? { consumed: true } : {}) };
    };
    return {
      async upsert(id, payload, expiresIn) {
        const { grantId, userCode, uid } = payload;
        const expiresAt = expiresIn ? new Date(Date.now() + expiresIn * 1000) : null;
        await db(table)
          .insert({ id, type, payload: JSON.stringify(payload), grantId, userCode, uid, expiresAt })
          .onConflict(['id', 'type'])
          .merge();
      },
      find: (id) => find({ id }),
      findByUid: (uid) => find({ uid }),
      findByUserCode: (userCode) => find({ userCode }),
      async destroy(id) {
        await where({ id }).delete();
      },
      async revokeByGrantId(grantId) {
        await where({ grantId }).delete();
      },
      async consume(id) {
        await where({ id }).update({ consumedAt: new Date() });
      },
    };
  };
}
