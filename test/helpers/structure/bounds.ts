// Bounds of size: lines of a file, lines of a function from its signature to its closing brace, casts in a thousand lines.
import { full } from 'acorn-walk';
import { lineAt, parseSource, type Source, withoutComments } from './sources.ts';

interface Bounds {
  file: number;
  function: number;
}

const bounds: Bounds = { file: 200, function: 50 };
const testBounds: Bounds = { file: 400, function: 80 };

/** Casts that switch the type checker off, and `any` wherever a type can stand. */
const cast = /\bas\s+(?:never|unknown|any)\b|[:<,|&(]\s*any\b(?!\s*[:(.])|<(?:never|unknown)>(?=[\w(])/g;
const linesPerCast = 1000;

const scripts = /\.(ts|js|cjs|mjs)$/;

/** One line for every file and function that is too long; test/ has bounds of its own. */
export function boundProblems(sources: Source[]): string[] {
  return sources.flatMap((source) => {
    const { path, text } = source;
    const max = path.startsWith('test/') ? testBounds : bounds;
    const lines = text.split('\n').length - 1;
    return [
      ...(lines > max.file ? [`${path}:${lines}: the file has ${lines} lines, at most ${max.file}`] : []),
      ...(scripts.test(path) && !path.endsWith('.d.ts') ? functionProblems(source, max.function) : []),
    ];
  });
}

/** Every cast to `never`, `unknown` or `any`, if there is more than one in a thousand lines; else nothing. */
export function castProblems(sources: Source[]): string[] {
  const lines = sources.reduce((sum, { text }) => sum + text.split('\n').length - 1, 0);
  const found = sources.flatMap(castsOf);
  const most = Math.floor(lines / linesPerCast);
  return found.length > most ? [`${found.length} casts in ${lines} lines, at most ${most}:`, ...found] : [];
}

function castsOf({ path, text }: Source): string[] {
  const code = withoutComments(text);
  return [...code.matchAll(cast)].map((one) => `${path}:${lineAt(code, one.index)}: ${one[0].trim()}`);
}

function functionProblems(source: Source, max: number): string[] {
  const problems: string[] = [];
  full(parseSource(source), ({ type, loc }) => {
    if (!loc || !/Function/.test(type)) return;
    const lines = loc.end.line - loc.start.line + 1;
    if (lines > max)
      problems.push(`${source.path}:${loc.start.line}: the function has ${lines} lines, at most ${max}`);
  });
  return problems;
}
