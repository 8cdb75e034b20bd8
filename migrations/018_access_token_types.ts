// The media type in the header of a resource server's JWTs. Nodes of the previous version ignore the column and go on with `at+jwt`.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(
    `alter table resource_servers add column access_token_typ text not null default 'at+jwt'
     constraint resource_servers_access_token_typ_check check (access_token_typ in ('at+jwt', 'JWT'))`,
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table resource_servers drop column access_token_typ');
}
