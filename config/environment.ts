// The variables of the environment before their values are checked: from the process, an `.env` file, and files that
// `<NAME>_FILE` names. The only place that reads process.env, beside config/npm.ts.
import { existsSync, readFileSync } from 'node:fs';
import { fromFiles } from './schema.ts';

/** Variables by name. */
export type Variables = Record<string, string | undefined>;

/** The variables of this process, with those of an `.env` file in the working folder. */
export function readEnvironment(): NodeJS.ProcessEnv {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

/** The variables that are set. Compose files and CI systems leave an empty variable where they mean "not set". */
export function withoutEmpty(env: NodeJS.ProcessEnv): Variables {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/**
 * Adds the settings whose files `<NAME>_FILE` names. A secret in a file shows neither in `docker inspect` nor in the
 * environment of a process. Editors and `echo` end a file with a line break, which is removed.
 */
export function withFiles(env: Variables): { given: Variables; unreadable: string[] } {
  const given = { ...env };
  const unreadable: string[] = [];
  for (const name of fromFiles) {
    const file = env[`${name}_FILE`];
    if (file === undefined) continue;
    if (env[name] !== undefined) unreadable.push(`${name}_FILE: ${name} is set as well; keep one of them`);
    try {
      given[name] = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      unreadable.push(`${name}_FILE: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return { given, unreadable };
}
