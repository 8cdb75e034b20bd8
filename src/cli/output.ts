// The output of commands: an answer as text or JSON on stdout, an error as one line without a stack trace on stderr.
import { z } from 'zod';
import { ConfigError, loadConfig } from '../../config/index.ts';
import { describeStartProblem } from '../core/operations/start_problems.ts';
import { AppError } from '../lib/errors.ts';

/** The answer of a command: `data` for machines, `text` for people. */
export interface Answer {
  data: unknown;
  text: string;
}

/** An error that the operator can correct; its message is all that is printed. */
export class CommandError extends Error {}

/** Writes an answer to stdout. */
export function print({ data, text }: Answer, asJson: boolean): void {
  console.log(asJson ? JSON.stringify(data) : text);
}

/** Writes a warning to stderr. */
export function warn(warning: string): void {
  console.error(`kindred: ${warning}`);
}

/** An error as one line, with the names of the wrong fields or settings. */
export function describeProblem(error: unknown): string {
  // A name from the command line may contain a line break.
  return messageOf(error).replaceAll(/\s*\n\s*/g, ' ');
}

function messageOf(error: unknown): string {
  if (error instanceof ConfigError) return `the settings are not usable: ${error.problems.join('; ')}`;
  if (error instanceof z.ZodError) return error.issues.map(describeIssue).join('; ');
  if (error instanceof CommandError) return error.message;
  if (error instanceof AppError) return asClause(error.message);
  if (!(error instanceof Error)) return 'an unexpected error';
  const problem = describeStartProblem(error, { databaseUrl: databaseUrl() });
  if (problem) return problem;
  // Knex writes the whole statement before the message of the database, and its values may be secret.
  const message = error.message.split(' - ').at(-1) ?? '';
  return message.split('\n')[0] || error.name;
}

// Used only for a sentence about the database, so invalid settings do not matter here.
function databaseUrl(): string {
  try {
    return loadConfig().databaseUrl;
  } catch {
    return '';
  }
}

// On a terminal the sentence of a refusal follows `kindred: `, like the texts of commands. Two sentences stay as they are.
function asClause(sentence: string): string {
  if (sentence.includes('. ')) return sentence;
  return sentence.replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase()).replace(/\.$/, '');
}

function describeIssue({ path, message }: z.core.$ZodIssue): string {
  return path.length > 0 ? `${path.join('.')}: ${message}` : message;
}

/** A table as text, with columns as wide as their widest cell. */
export function formatTable(headings: string[], rows: string[][]): string {
  const all = [headings, ...rows.map((row) => row.map(withoutControlCharacters))];
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

// A client chooses its user agent, and a terminal would obey control characters in it.
function withoutControlCharacters(cell: string): string {
  return cell.replaceAll(/\p{C}/gu, '');
}
