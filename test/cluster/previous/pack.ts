// Packs the version that an upgrade begins with: `node test/cluster/previous/pack.ts <commit>`, once per release. The upgrade
// test runs it beside the present version. It is packed because a shallow clone or a tarball has no history.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

/** The packed version: its commit, and the text of each file by its path. */
export interface Packed {
  commit: string;
  files: Record<string, string>;
}

/** The file of the packed version: compressed JSON. */
export const packedFile = fileURLToPath(new URL('kindred.json.br', import.meta.url));

const parts = ['config', 'migrations', 'package.json', 'src'];

function pack(revision: string): Packed {
  const git = (...args: string[]) =>
    execFileSync('git', args, { encoding: 'utf8', maxBuffer: 2 ** 26, cwd: import.meta.dirname });
  const commit = git('rev-parse', `${revision}^{commit}`).trim();
  const paths = git('ls-tree', '-r', '--name-only', '--full-tree', commit, '--', ...parts)
    .trim()
    .split('\n');
  return { commit, files: Object.fromEntries(paths.map((path) => [path, git('show', `${commit}:${path}`)])) };
}

if (import.meta.main) {
  const [, , revision] = process.argv;
  if (!revision) throw new Error('which commit?');
  const packed = pack(revision);
  const json = Buffer.from(`${JSON.stringify(packed)}\n`);
  const compressed = brotliCompressSync(json, {
    params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: json.length },
  });
  writeFileSync(packedFile, compressed);
  console.log(`${packed.commit}: ${Object.keys(packed.files).length} files, ${compressed.length} bytes`);
}
