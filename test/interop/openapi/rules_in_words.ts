// What the schemas of the API demand beyond what a JSON schema can say. The document says it in words, and a request that a tool
// makes from the document may break it: which one does so is chance, so the rules are read from the schemas instead of found.
import type { z } from 'zod';
import type { Route } from '../../../src/http/api/routes.ts';

/** The sentences of refusal of these rules, in the queries and bodies of `routes`. */
export function rulesInWords(routes: Route[]): string[] {
  const seen = new Set<unknown>();
  const found = routes.flatMap(({ query, body }) => [query, body].flatMap((schema) => rulesOf(schema, seen)));
  return [...new Set(found)];
}

// A schema holds its parts (members, elements, alternatives, steps, checks) in its definition.
function rulesOf(part: unknown, seen: Set<unknown>): string[] {
  if (typeof part !== 'object' || part === null || seen.has(part)) return [];
  seen.add(part);
  if (Array.isArray(part)) return part.flatMap((one) => rulesOf(one, seen));
  const { def } = (part as Partial<z.core.$ZodType>)._zod ?? {};
  if (!def) return Object.getPrototypeOf(part) === Object.prototype ? rulesOf(Object.values(part), seen) : [];
  // A shape of an object is computed when it is asked for.
  const { shape } = def as { shape?: unknown };
  return [...ruleOf(def), ...rulesOf([...Object.values(def), shape], seen)];
}

function ruleOf(def: object): string[] {
  const { check, error } = def as { check?: string; error?: (issue: object) => unknown };
  const sentence = check === 'custom' && error?.({});
  return typeof sentence === 'string' ? [sentence] : [];
}
