// The table of settings in README, made from the schema. As a script it checks README; with `--write` it updates it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { z } from 'zod';
import { schema } from './schema.ts';

const begin = '<!-- settings: made by config/readme.ts -->';
const end = '<!-- /settings -->';
const file = join(import.meta.dirname, '../README.md');

/** The command that updates the table. */
export const updateCommand = 'node_modules/.bin/node config/readme.ts --write';

/** Replaces the table between its markers in `text` by that of the schema; throws when the markers are missing. */
export function withSettings(text: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README has no ${begin} … ${end}`);
  return `${text.slice(0, from)}${begin}\n${settings()}\n${text.slice(to)}`;
}

/** The settings as README shows them: name, default, meaning. */
export function settingsTable(): { name: string; fallback: string; meaning: string }[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const parsed = (field as z.ZodType).safeParse(undefined);
    const fallback = parsed.success && parsed.data !== undefined ? String(parsed.data) : '';
    return { name, fallback, meaning: field.description ?? '' };
  });
}

function settings(): string {
  const rows = settingsTable().map(({ name, fallback, meaning }) => [
    `\`${name}\``,
    fallback && `\`${fallback}\``,
    meaning,
  ]);
  return [['variable', 'default', 'meaning'], ['---', '---', '---'], ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

if (import.meta.main) {
  const text = readFileSync(file, 'utf8');
  const updated = withSettings(text);
  if (process.argv.includes('--write')) writeFileSync(file, updated);
  else if (text !== updated) {
    console.error(`the settings in ${relative('.', file)} are out of date; run: ${updateCommand}`);
    process.exitCode = 1;
  }
}
