// Migrates, and is killed with -9 the moment it sends a statement that matches the second argument.
import pg from 'pg';
import sqlite3 from 'sqlite3';
import { migrate } from '../../../../src/core/store/migrate.ts';

const [url = '', pattern = ''] = process.argv.slice(2);

type Statement = string | { text: string };

function dieAt(driver: object, method: string): void {
  const original: (...args: unknown[]) => unknown = Reflect.get(driver, method);
  Reflect.set(driver, method, function (this: unknown, statement: Statement, ...rest: unknown[]) {
    const sql = typeof statement === 'string' ? statement : statement.text;
    if (new RegExp(pattern, 'i').test(sql)) process.kill(process.pid, 'SIGKILL');
    return original.call(this, statement, ...rest);
  });
}

dieAt(pg.Client.prototype, 'query');
dieAt(sqlite3.Database.prototype, 'run');
dieAt(sqlite3.Database.prototype, 'all');

await migrate(url);
