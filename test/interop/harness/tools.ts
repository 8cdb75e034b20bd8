// The packages that a folder of clients needs, installed by the package manager of its language from the manifests in that
// folder. They are kept under node_modules/.cache, one folder for each state of the manifests, so that they are installed once.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { findProgram } from '../../helpers/required_programs.ts';
import { runToEnd } from './programs.ts';

/** The packages of one folder of clients. */
export interface Tool {
  /** Why they cannot be installed here at all; null when they can. */
  missing: string | null;
  /** Installs them once for all tests of the file. Null when the registry cannot be reached. */
  install: () => Promise<string | null>;
}

export interface Recipe {
  /** The folder with the manifests: `import.meta.dirname`. */
  from: string;
  /** Files of `from` that say what is installed; they are copied into the folder first. Sources that are built count. */
  manifests: string[];
  /** Programs without which nothing can be installed. */
  needs: string[];
  install(folder: string): Promise<unknown>;
}

const cache = fileURLToPath(new URL('../../../node_modules/.cache/kindred-interop/', import.meta.url));

/** Milliseconds for one test: a cold build of a large program on a busy machine. */
const longest = 900_000;

// What package managers say when there is no way to the registry, Go's to a newer toolchain included; any other failure is one
// of the manifest.
const offline =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ENETUNREACH|EAI_AGAIN|ETIMEDOUT|no such host|dial tcp|i\/o timeout|[Ff]ailed to establish a new connection|Could not resolve|Could not transfer|Couldn't connect|Temporary failure|toolchain not available/;

/** A tool that is installed by a recipe, unless this state of its manifests is there. */
export function toolOf(recipe: Recipe): Tool {
  const absent = recipe.needs.find((program) => !findProgram(program));
  let installing: Promise<string | null> | null = null;
  return {
    missing: absent ? `${absent} is not installed` : null,
    async install() {
      installing ??= installInCache(recipe);
      return await installing;
    },
  };
}

async function installInCache({ from, manifests, install }: Recipe): Promise<string | null> {
  const digest = createHash('sha256').update(process.version);
  for (const name of manifests) for (const file of await filesOf(join(from, name))) digest.update(file);
  const folder = join(cache, `${basename(from)}-${digest.digest('hex').slice(0, 16)}`);
  const mark = join(folder, '.complete');
  if (existsSync(mark)) return folder;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const name of manifests) await cp(join(from, name), join(folder, name), { recursive: true });
  try {
    await install(folder);
  } catch (error) {
    if (error instanceof Error && offline.test(error.message)) return null;
    throw error;
  }
  await writeFile(mark, '');
  return folder;
}

/** The names and contents of a file, or of all files of a folder. */
async function filesOf(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path, await readFile(path, 'utf8')];
  const names = (await readdir(path)).sort();
  return (await Promise.all(names.map((name) => filesOf(join(path, name))))).flat();
}

/** The packages of `package.json` and `package-lock.json`. A program finds them from every folder below. */
export function npmTool(from: string): Tool {
  return toolOf({
    from,
    manifests: ['package.json', 'package-lock.json'],
    needs: ['npm'],
    install: (cwd) => runToEnd('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd }),
  });
}

/** A virtual environment with the packages of `requirements.txt`; its Python is {@link pythonOf}. */
export function pythonTool(from: string): Tool {
  return toolOf({
    from,
    manifests: ['requirements.txt'],
    needs: ['python3'],
    async install(cwd) {
      await runToEnd('python3', ['-m', 'venv', 'venv'], { cwd });
      const args = ['install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'];
      await runToEnd(pythonOf(cwd), ['-m', 'pip', ...args], { cwd });
    },
  });
}

/** The Python of an installed {@link pythonTool}. */
export function pythonOf(folder: string): string {
  return join(folder, 'venv/bin/python');
}

/** The commands of a Go module, built into `bin/`. `sources` are the files and folders beside `go.mod` and `go.sum`. */
export function goTool(from: string, sources: string[], packages = ['./...']): Tool {
  return toolOf({
    from,
    manifests: ['go.mod', 'go.sum', ...sources],
    needs: ['go'],
    async install(cwd) {
      await mkdir(join(cwd, 'bin'));
      // Without debug information the linker takes half as long.
      const args = ['build', '-ldflags=-s -w', '-o', `${join(cwd, 'bin')}/`, ...packages];
      await runToEnd('go', args, { cwd });
    },
  });
}

/** A test on the folder of an installed tool. */
type Body = (t: ExecutionContext, folder: string) => Promise<void>;

/** `test` for clients that need a tool. Where it is missing, the test is skipped and says why. */
export function testWith({ missing, install }: Tool) {
  return (title: string, body: Body): void => {
    if (missing) {
      test.skip(`${title} (skipped: ${missing})`, () => {});
      return;
    }
    test.serial(title, async (t) => {
      t.timeout(longest);
      const folder = await install();
      if (folder) return await body(t, folder);
      t.log('skipped: the registry cannot be reached');
      t.pass();
    });
  };
}
