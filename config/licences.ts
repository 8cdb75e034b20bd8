// The licences of the packages of a deployment, from the lock file. As a script it checks docs/licences.md; with `--write`
// it updates the page.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package of the lock file. */
export interface LockedPackage {
  name: string;
  version: string;
  /** An SPDX expression, or null when the package has none. */
  license: string | null;
  integrity: string | null;
  resolved: string | null;
  /** Not installed with `npm ci --omit=dev`. */
  isDev: boolean;
  /** The package that this one is a build of, for one platform. */
  buildOf: string | null;
}

/** The licences that dependencies of a deployment may have. */
export const allowed = [
  'MIT',
  'MIT-0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
];

/** The command that updates the page. */
export const updateCommand = 'node_modules/.bin/node config/licences.ts --write';

interface Entry {
  version: string;
  license?: string;
  integrity?: string;
  resolved?: string;
  dev?: boolean;
  devOptional?: boolean;
  os?: string[];
  optionalDependencies?: Record<string, string>;
}

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs/licences.md');

/** All packages of package-lock.json. A build for one platform without a licence of its own has that of its package. */
export function readLock(): LockedPackage[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const entries = Object.entries(lock.packages as Record<string, Entry>).filter(([path]) => path !== '');
  const parents = new Map<string, Entry & { name: string }>();
  for (const [path, entry] of entries) {
    for (const name of Object.keys(entry.optionalDependencies ?? {}))
      parents.set(name, { ...entry, name: nameOf(path) });
  }
  return entries.map(([path, entry]) => {
    const name = nameOf(path);
    const parent = entry.os ? parents.get(name) : undefined;
    return {
      name,
      version: entry.version,
      license: entry.license ?? parent?.license ?? null,
      integrity: entry.integrity ?? null,
      resolved: entry.resolved ?? null,
      isDev: entry.dev === true || entry.devOptional === true,
      buildOf: parent?.name ?? null,
    };
  });
}

function nameOf(path: string): string {
  return path.split('node_modules/').at(-1) ?? path;
}

/** Whether a deployment may contain a package with this licence: one of `A OR B` must be allowed, all of `A AND B`. */
export function isAllowed(license: string | null): boolean {
  const expression = (license ?? '').replaceAll(/[()]/g, '');
  return expression.split(' OR ').some((one) => one.split(' AND ').every((name) => allowed.includes(name)));
}

/** The text of docs/licences.md for the current lock file. */
export function licencesPage(): string {
  const installed = readLock().filter((one) => !one.isDev && one.buildOf === null);
  const rows = new Set(
    installed
      .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1))
      .map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`),
  );
  return `# Licences

The packages that \`npm ci --omit=dev\` installs. Builds of these packages for single platforms have the same licence and are
not listed. Made from the lock file by config/licences.ts. A test allows only ${allowed.join(', ')}, or a
choice that includes one of them.

| package | version | licence |
|---|---|---|
${[...rows].join('\n')}
`;
}

if (import.meta.main) {
  const made = licencesPage();
  if (process.argv.includes('--write')) writeFileSync(page, made);
  else if (readFileSync(page, 'utf8') !== made) {
    console.error(`docs/licences.md is out of date; run: ${updateCommand}`);
    process.exitCode = 1;
  }
}
