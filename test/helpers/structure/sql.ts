// Where the code names a table or sends SQL outside src/core.
import type { AnyNode, CallExpression } from 'acorn';
import { simple } from 'acorn-walk';
import { layerOf } from './layers.ts';
import { parseSource, type Source } from './sources.ts';

/** What a Knex or a transaction is called: a call of one names a table. */
const databases = ['db', 'knex', 'scratch', 'trx', 'tx'];

/** Methods that take a table or SQL; `from` belongs to Array, Buffer and other classes too. */
const methods =
  /^(raw|\w+Raw|from|into|table|batchInsert|withSchema|hasTable|hasColumn|(create|drop|alter|rename)\w*Table\w*)$/;
const joins = /^(join|\w+Join)$/;

/** How a statement begins. */
const statement =
  /^\s*(?:select\s|with\s+(?:recursive\s+)?\w+[\s\S]*?\sas\s|insert\s+into\s|delete\s+from\s|update\s+\S+\s+(?:as\s+\w+\s+)?set\s|(?:create|alter|drop)\s+(?:unique\s+)?(?:table|index|trigger|view|function|schema)\s|truncate\s|vacuum\b|explain\s|listen\s|pragma\s)/i;

/** One capital at the start begins a sentence (`Update my profile`), unless the rest is a statement all the same. */
const sentence = /^\s*[A-Z][a-z]/;
const capitalised = /^\s*(?:select\b[\s\S]*\bfrom|insert\s+into|delete\s+from|update\s+\S+\s+set)\s+\S/i;

/** One line for each place outside src/core that names a table or sends SQL. */
export function sqlProblems(sources: Source[], tables: string[]): string[] {
  return sources
    .filter(({ path }) => layerOf(path) !== 'core')
    .flatMap((source) =>
      placesOfSql(source, tables).map((line) => `${source.path}:${line}: SQL belongs in core`),
    );
}

function placesOfSql(source: Source, tables: string[]): number[] {
  const lines = new Set<number>();
  const note = (node: AnyNode): unknown => lines.add(node.loc?.start.line ?? 1);
  simple(parseSource(source), {
    Literal: (node) => isStatement(node) && note(node),
    TemplateLiteral: (node) => isStatement(node) && note(node),
    CallExpression: (node) => namesTable(node, tables) && note(node),
  });
  return [...lines].sort((one, other) => one - other);
}

function isStatement(node: AnyNode): boolean {
  const text = textOf(node);
  return text !== null && (sentence.test(text) ? capitalised : statement).test(text);
}

function namesTable({ callee, arguments: [first, ...others] }: CallExpression, tables: string[]): boolean {
  const name = nameOf(callee);
  if (!name || !first) return false;
  if (databases.includes(name)) return true;
  if ((others.length === 0 || joins.test(name)) && isTable(first, tables)) return true;
  return callee.type === 'MemberExpression' && methods.test(name) && !isClass(callee.object);
}

/** `'users'`, `'users as u'` or `{ u: 'users' }`. */
function isTable(node: AnyNode, tables: string[]): boolean {
  const text = textOf(node);
  if (text !== null) return tables.includes(text.trim().split(/\s+as\s+/i)[0] ?? '');
  const [only, ...others] = node.type === 'ObjectExpression' ? node.properties : [];
  return only?.type === 'Property' && others.length === 0 && isTable(only.value, tables);
}

/** The text of a string or a template, a `?` for each expression in it; null for any other node. */
function textOf(node: AnyNode): string | null {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : null;
  if (node.type !== 'TemplateLiteral') return null;
  return node.quasis.map(({ value }) => value.cooked ?? '').join('?');
}

function nameOf(callee: AnyNode): string | null {
  if (callee.type === 'Identifier') return callee.name;
  if (callee.type !== 'MemberExpression') return null;
  return callee.property.type === 'Identifier' ? callee.property.name : null;
}

function isClass(node: AnyNode): boolean {
  return /^[A-Z]/.test(nameOf(node) ?? '');
}
