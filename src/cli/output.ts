// How commands speak: a result as text or JSON on stdout, a problem as one line without a stack on stderr.
import { z } from 'zod';
import { ConfigError, loadConfig } from '../../config/index.ts';
import { describeStartProblem } from '../core/operations/start_problems.ts';
import { AppError } from '../lib/errors.ts';

/** What a command has to say: `data` for machines, `text` for people. */
export interface Answer {
  data: unknown;
  text: string;
}

/** Something the operator can put right; the message is all they need. */
export class CommandError extends Error {}

/** Writes an answer to stdout. */
export function print({ data, text }: Answer, asJson: boolean): void {
  console.log(asJson ? JSON.stringify(data) : text);
}

/** Writes a remark that is no part of the result. */
export function warn(remark: string): void {
  console.error(`kindred: ${remark}`);
}

/** An error as one line, with the names of the fields or settings that are wrong. */
export function describeProblem(error: unknown): string {
  // A name that was given may hold a line break.
  return messageOf(error).replaceAll(/\s*\n\s*/g, ' ');
}

function messageOf(error: unknown): string {
  if (error instanceof ConfigError) return `the settings are not usable: ${error.problems.join('; ')}`;
  if (error instanceof z.ZodError) return error.issues.map(describeIssue).join('; ');
  if (error instanceof CommandError || error instanceof AppError) return error.message;
  if (!(error instanceof Error)) return 'something unexpected happened';
  const problem = describeStartProblem(error, { databaseUrl: databaseUrl() });
  if (problem) return problem;
  // Knex puts the whole statement in front of what the database said, and what is bound in it may be secret.
  const said = error.message.split(' - ').at(-1) ?? '';
  return said.split('\n')[0] || error.name;
}

// For words about the database alone, so settings that cannot be read change nothing.
function databaseUrl(): string {
  try {
    return loadConfig().databaseUrl;
  } catch {
    return '';
  }
}

function describeIssue({ path, message }: z.core.$ZodIssue): string {
  return path.length > 0 ? `${path.join('.')}: ${message}` : message;
}

/** Rows under headings, as wide as they need to be. */
export function formatTable(headings: string[], rows: string[][]): string {
  const all = [headings, ...rows.map((row) => row.map(plain))];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

// A user agent is a stranger's text, and a terminal obeys control characters.
function plain(cell: string): string {
  return cell.replaceAll(/\p{C}/gu, '');
}
