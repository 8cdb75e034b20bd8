// Zod's messages in words for people who do not know Zod. Importing this file sets them for every schema of the process that
// has no message of its own.
import { z } from 'zod';

type Issue = z.core.$ZodRawIssue;

z.config({ customError: (issue) => describeIssue(issue) });

/** The message for one issue; undefined keeps Zod's own. */
export function describeIssue(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${kinds[String(issue.expected)] ?? issue.expected}`;
    case 'too_big':
      return `must ${describeSize(String(issue.origin), 'at most', Number(issue.maximum))}`;
    case 'too_small':
      return Number(issue.minimum) === 1 && issue.origin !== 'number' && issue.origin !== 'int'
        ? 'must not be empty'
        : `must ${describeSize(String(issue.origin), 'at least', Number(issue.minimum))}`;
    case 'invalid_value':
      return `must be ${listOptions((issue.values as unknown[]).map(String))}`;
    case 'invalid_format':
      return formats[String(issue.format)] ?? 'has the wrong form';
    case 'unrecognized_keys':
      return describeUnknown(issue);
    case 'invalid_key':
      return describeKey(issue);
    case 'invalid_union':
      return 'has none of the forms that it may have';
    default:
      return undefined;
  }
}

// What is wrong with the name of a member; the path names it.
function describeKey({ issues }: Issue): string {
  return (issues as { message: string }[]).map(({ message }) => message).join('; ');
}

const kinds: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const formats: Record<string, string> = {
  url: 'must be a URL, with its scheme',
  email: 'must be an e-mail address',
  uuid: 'must be a UUID',
  datetime: 'must be a time such as 2030-01-31T12:00:00Z',
};

function describeSize(origin: string, bound: string, size: number): string {
  if (origin === 'string') return `have ${bound} ${size} characters`;
  if (origin === 'array' || origin === 'set') return `have ${bound} ${size} items`;
  return `be ${bound} ${size}`;
}

function listOptions(values: string[]): string {
  const last = values.at(-1) ?? '';
  return values.length < 2 ? last : `${values.slice(0, -1).join(', ')} or ${last}`;
}

// Bounds the work: the names come from the caller, and each is compared with all known ones.
const maxNamed = 5;

function describeUnknown({ keys, inst }: Issue): string {
  const shape = (inst as { shape?: object } | undefined)?.shape ?? {};
  const all = keys as string[];
  const named = all.slice(0, maxNamed).map((key) => {
    const meant = findClosest(key, Object.keys(shape));
    return `${JSON.stringify(key.slice(0, 60))}${meant ? ` (did you mean ${meant}?)` : ''}`;
  });
  const more = all.length > named.length ? ` and ${all.length - named.length} more` : '';
  return `unknown ${all.length > 1 ? 'members' : 'member'} ${named.join(', ')}${more}`;
}

/** The name of `known` that is closest to `typed`; undefined when none is close. */
export function findClosest(typed: string, known: string[]): string | undefined {
  // A text this long is no misspelled name, and comparing it would be costly.
  if (typed.length > 60) return undefined;
  const [best] = known
    .map((name) => ({ name, away: distance(typed, name) }))
    .filter(({ name, away }) => away <= Math.min(2, Math.floor(name.length / 3)))
    .toSorted((a, b) => a.away - b.away);
  return best?.name;
}

/** The number of letters to add, remove, replace or swap with their neighbours (Damerau-Levenshtein distance). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i += 1) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (isSame ? 0 : 1));
      rows[i]?.push(isSwapped ? Math.min(best, at(i - 2, j - 2) + 1) : best);
    }
  }
  return at(a.length, b.length);
}
