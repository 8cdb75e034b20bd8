// Transactions over several topics of src/core, as far as the text of one file tells.
import type { AnyNode, Program } from 'acorn';
import { simple } from 'acorn-walk';
import { importsOf, parseSource, type Source } from './sources.ts';

// The trail, the store and the mail that tells of what was done belong to every transaction.
const everywhere = ['audit', 'mail', 'store'];

// A session is written under the lock of its user's row, and ends together with what the engine and the user keep of it.
const belowSessions = ['engine_records', 'users'];

/** One line for each transaction outside src/core/actions that calls functions of several topics. */
export function transactionProblems(sources: Source[]): string[] {
  return sources
    .filter(({ path }) => path.startsWith('src/') && !path.startsWith('src/core/actions/'))
    .flatMap((source) => {
      const program = parseSource(source);
      const names = namesOf(source, program);
      return transactionsOf(program).flatMap(({ line, body }) => {
        const below = source.path.startsWith('src/core/sessions/') ? belowSessions : [];
        const topics = [...topicsIn(body, names)].filter((topic) => !below.includes(topic)).sort();
        if (topics.length < 2) return [];
        return [`${source.path}:${line}: a transaction over ${topics.join(' and ')} belongs in core/actions`];
      });
    });
}

/** What a name of the file stands for: a topic of core, or a function of the file itself. */
interface Names {
  topics: Map<string, string>;
  functions: Map<string, AnyNode>;
}

function namesOf(source: Source, program: Program): Names {
  const names: Names = { topics: new Map(), functions: new Map() };
  const paths = new Map(importsOf(source).map(({ line, target }) => [line, target]));
  simple(program, {
    ImportDeclaration({ loc, specifiers }) {
      const topic = topicOf(paths.get(loc?.start.line ?? 0) ?? '');
      if (topic) for (const { local } of specifiers) names.topics.set(local.name, topic);
    },
    FunctionDeclaration(node) {
      if (node.id) names.functions.set(node.id.name, node);
    },
    VariableDeclarator({ id, init }) {
      if (id.type === 'Identifier' && init?.type === 'ArrowFunctionExpression')
        names.functions.set(id.name, init);
    },
  });
  return names;
}

function topicOf(path: string): string | null {
  const [, core, topic, file] = path.split('/');
  return core === 'core' && topic && file && !everywhere.includes(topic) ? topic : null;
}

function transactionsOf(program: Program): { line: number; body: AnyNode }[] {
  const found: { line: number; body: AnyNode }[] = [];
  simple(program, {
    CallExpression({ callee, arguments: [body], loc }) {
      const isTransaction =
        callee.type === 'MemberExpression' &&
        callee.property.type === 'Identifier' &&
        callee.property.name === 'transaction';
      if (isTransaction && body) found.push({ line: loc?.start.line ?? 1, body });
    },
  });
  return found;
}

/** The topics whose functions a piece of code calls, by way of functions of the same file too. */
function topicsIn(body: AnyNode, { topics, functions }: Names): Set<string> {
  const found = new Set<string>();
  const bodies = new Set<AnyNode>();
  const follow = (callee: AnyNode): void => {
    const name = callee.type === 'Identifier' ? callee.name : '';
    const topic = topics.get(name);
    if (topic) found.add(topic);
    const own = functions.get(name);
    if (own) bodies.add(own);
  };
  follow(body);
  bodies.add(body);
  for (const one of bodies) simple(one, { CallExpression: ({ callee }) => follow(callee) });
  return found;
}
