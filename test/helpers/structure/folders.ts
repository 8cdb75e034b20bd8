// Rules for folders: a README of a few lines, tests in the mirrored folder, no citation of a missing document.
import { posix } from 'node:path';
import type { Source } from './sources.ts';

const readme = { least: 3, most: 10, mostAtTop: 25 };

/** The folders of test/ that mirror src/; the others hold what crosses folders. */
const mirrored = ['core', 'http', 'oidc', 'token', 'lib', 'pages', 'process', 'cli'];

// A document that the repository does not hold; in two parts, or this file would cite it.
const missingDocument = ['DES', 'IGN'].join('');

/** One line for each folder from src/ down whose README.md is missing, too short or too long. */
export function readmeProblems(sources: Source[]): string[] {
  const readmes = new Map(sources.map(({ path, text }) => [path, text]));
  return [...foldersOf(sources)].sort().flatMap((folder) => {
    const path = `${folder}/README.md`;
    const text = readmes.get(path);
    if (text === undefined) return [`${path}:1: is missing`];
    const lines = text.split('\n').filter((line) => line.trim() && !line.startsWith('#')).length;
    const most = folder === 'src' ? readme.mostAtTop : readme.most;
    if (lines >= readme.least && lines <= most) return [];
    return [`${path}:${lines}: has ${lines} lines of text, ${readme.least} to ${most}`];
  });
}

/** One line for each folder of tests that mirrors no folder of src/. Programs that tests start lie in `children`. */
export function mirrorProblems(sources: Source[], tests: Source[]): string[] {
  const folders = foldersOf(sources);
  return [...foldersOf(tests)]
    .filter(
      (folder) => mirrored.includes(folder.split('/')[1] ?? '') && posix.basename(folder) !== 'children',
    )
    .filter((folder) => !folders.has(folder.replace(/^test/, 'src')))
    .sort()
    .map((folder) => `${folder}: there is no ${folder.replace(/^test/, 'src')}`);
}

/** One line for each citation of the document that the repository does not hold. */
export function citationProblems(sources: Source[]): string[] {
  return sources.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        line.includes(missingDocument) ? [`${path}:${index + 1}: cites ${missingDocument}`] : [],
      ),
  );
}

/** The folders of these files and all folders above them. */
function foldersOf(sources: Source[]): Set<string> {
  const folders = new Set<string>();
  for (const { path } of sources) {
    for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder))
      folders.add(folder);
  }
  return folders;
}
