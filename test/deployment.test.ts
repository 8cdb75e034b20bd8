// What can be known of the image and of compose.yaml without a container engine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { schema } from '../config/schema.ts';
import about from '../package.json' with { type: 'json' };
import lock from '../package-lock.json' with { type: 'json' };
import { runCommand } from './helpers/commands.ts';
import { environment } from './helpers/server.ts';
import { freePort } from './helpers/server_process.ts';
import { giveTime, until } from './helpers/until.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = async (name: string) => await readFile(join(root, name), 'utf8');

/** The sources of every COPY of the Dockerfile that come from the working folder. */
async function copied(): Promise<string[]> {
  const lines = [...(await read('Dockerfile')).matchAll(/^COPY (?!--from)(.+)$/gm)];
  return [...new Set(lines.flatMap(([, args = '']) => args.split(' ').slice(0, -1)))];
}

test('the image contains the files that the server needs, and the build context contains nothing else', async (t) => {
  const names = await copied();
  t.deepEqual(names.toSorted(), ['config', 'migrations', 'package-lock.json', 'package.json', 'src']);
  for (const name of names) t.true(existsSync(join(root, name)), name);
  const allowed = [...(await read('.dockerignore')).matchAll(/^!(.+)$/gm)].map(([, name]) => name);
  t.deepEqual(allowed.toSorted(), names.toSorted());
  t.regex(await read('.dockerignore'), /^\*\*\/README\.md$/m, 'no documentation for developers');
});

test('the image runs as an unprivileged user, without npm, and has a health check', async (t) => {
  const file = await read('Dockerfile');
  const last = file.slice(file.lastIndexOf('\nFROM ')).replaceAll(/^#.*$/gm, '');
  t.regex(last, /^USER node$/m);
  t.regex(last, /^CMD \["node", ("--[a-z-]+(=\d+)?", )*"src\/server\.ts"\]$/m);
  t.regex(last, /^HEALTHCHECK /m);
  t.notRegex(last, /apt-get|npm/);
  t.regex(file, /npm ci --omit=dev/);
  t.regex(file, new RegExp(`^FROM node:${about.engines.node.replace(/\D/g, '')}`, 'm'));
});

test('the image, npm start, npm run dev, the bench and the documents start Node with the same flags', async (t) => {
  const flagsIn = (text: string) => [...text.matchAll(/--(?:max-[a-z-]+=\d+|no-allocation[a-z-]+)/g)].flat();
  const flags = flagsIn(about.scripts.start);
  t.true(flags.includes('--no-allocation-site-pretenuring'));
  t.deepEqual(flagsIn(about.scripts.dev), flags);
  t.deepEqual(flagsIn(await read('Dockerfile')), flags);
  t.deepEqual(flagsIn(await read('bench/harness/stage.ts')), flags);
  const [command] = /^`node .+src\/server\.ts`/m.exec(await read('docs/operations.md')) ?? [];
  t.deepEqual(flagsIn(command ?? ''), flags);
});

test('every setting that the image, compose.yaml and its example name exists', async (t) => {
  const ours = new Set(Object.keys(schema.shape));
  const compose = await read('compose.yaml');
  const [, kindred = ''] = /&kindred\n([\s\S]*?)\n {2}kindred-2:/.exec(compose) ?? [];
  const [, block = ''] = /\n {4}environment:\n((?: {6}.+\n)+)/.exec(kindred) ?? [];
  const [, image = ''] = /^ENV (.+)$/m.exec(await read('Dockerfile')) ?? [];
  const named = [...block.matchAll(/^ {6}([A-Z_]+):/gm), ...image.matchAll(/([A-Z_]+)=/g)].map(
    ([, name = '']) => name,
  );
  t.true(named.length > 10);
  t.deepEqual(
    named.filter((name) => !ours.has(name)),
    [],
  );
  const asked = new Set([...compose.matchAll(/\$\{([A-Z_]+)/g)].map(([, name = '']) => name));
  const example = [...(await read('deploy/example.env')).matchAll(/^([A-Z_]+)=/gm)].map(
    ([, name = '']) => name,
  );
  t.deepEqual(example.toSorted(), [...asked].toSorted());
});

test('compose.yaml and the proxy name files, nodes and paths that exist', async (t) => {
  const compose = await read('compose.yaml');
  const mounted = [...compose.matchAll(/^ +- (\.\/[^:]+):/gm)].map(([, path = '']) => path);
  t.deepEqual(mounted, ['./deploy/postgres.sh', './deploy/Caddyfile']);
  for (const [, image = ''] of compose.matchAll(/^ {4}image: (.+)$/gm))
    t.regex(image, /^[a-z]+:\d+\.\d+/, 'pinned');
  t.notRegex(compose, /DATABASE_URL: .*POSTGRES_PASSWORD/, 'Kindred is no superuser');
  for (const path of mounted) t.true(existsSync(join(root, path)), path);
  t.notRegex(compose, /\t/, 'YAML knows no tabs');
  const deps = [...compose.matchAll(/^ {2}([\w-]+):/gm)].map(([, name = '']) => name);
  t.deepEqual(deps, ['kindred-1', 'kindred-2', 'postgres', 'proxy', 'postgres', 'caddy']);
  const caddy = await read('deploy/Caddyfile');
  const [, kilobytes] = /max_size (\d+)KB/.exec(caddy) ?? [];
  t.true(Number(kilobytes) * 1000 >= schema.shape.BODY_LIMIT.parse(undefined));
  const upstreams = [...caddy.matchAll(/ ([\w-]+):(\d+)/g)].map(([, name, port]) => [name, port]);
  t.deepEqual(upstreams, [
    ['kindred-1', '3000'],
    ['kindred-2', '3000'],
  ]);
  t.regex(caddy, /health_uri \/readyz/);
});

// The packages of the lock file without those that only development needs, as `npm ci --omit=dev` installs them.
async function installProduction(directory: string): Promise<void> {
  const packages = Object.entries(lock.packages) as [string, { dev?: boolean }][];
  for (const [path, { dev }] of packages) {
    const isTop = /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path);
    if (!isTop || dev || !existsSync(join(root, path))) continue;
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await symlink(join(root, path), join(directory, path));
  }
}

test('the content of the image starts, answers its health check, and stops on a signal', async (t) => {
  giveTime(t);
  const app = await mkdtemp(join(tmpdir(), 'kindred-image-'));
  t.teardown(() => rm(app, { recursive: true, force: true }));
  for (const name of await copied()) await cp(join(root, name), join(app, name), { recursive: true });
  await installProduction(app);
  t.false(existsSync(join(app, 'node_modules/ava')));
  const [, image = ''] = /^ENV (.+)$/m.exec(await read('Dockerfile')) ?? [];
  const port = await freePort();
  const env = {
    PATH: process.env.PATH,
    ...environment(
      'sqlite:./data/kindred.sqlite',
      Object.fromEntries(image.split(' ').map((one) => one.split('='))),
    ),
    ...{
      ISSUER: 'https://id.example.org',
      RATE_LIMITS: 'memory',
      TRUST_PROXY: '1',
      HOST: '127.0.0.1',
      PORT: String(port),
    },
  };
  // Links are not followed, so that nothing is found beside what they point to.
  const node = ['--preserve-symlinks', '--preserve-symlinks-main'];
  const child = spawn(process.execPath, [...node, 'src/server.ts'], {
    cwd: app,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await until(() => isUp(port), 'the server comes up');
  const [, check = ''] = /CMD \["node", "-e", "(.+)"\]$/m.exec(await read('Dockerfile')) ?? [];
  const health = async (PORT: string) => {
    const asking = spawn(process.execPath, ['-e', check], {
      env: { PATH: process.env.PATH, PORT },
      stdio: 'ignore',
    });
    return (await once(asking, 'exit'))[0];
  };
  t.is(await health(String(port)), 0);
  t.is(await health('1'), 1);
  t.is((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
  child.kill('SIGTERM');
  t.deepEqual(await once(child, 'exit'), [0, null]);
});

async function isUp(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  return answer?.status === 200;
}

test('no code of the server imports a development dependency', async (t) => {
  const installed = new Set(Object.keys(about.dependencies));
  const foreign: string[] = [];
  for (const folder of ['src', 'config', 'migrations']) {
    for (const name of (await readdir(join(root, folder), { recursive: true })).filter((one) =>
      one.endsWith('.ts'),
    )) {
      const text = await read(join(folder, name));
      // Of types nothing is left when it runs.
      const imports = text.matchAll(
        /^(?:import|export)\s(?!type\b)(?:[^'";]*?\sfrom\s)?['"]([^'".][^'"]*)['"]|\bimport\(\s*['"]([^'".][^'"]*)['"]/gm,
      );
      for (const [, one, other] of imports) {
        const specifier = one ?? other ?? '';
        const [scope = '', rest = ''] = specifier.split('/');
        const name = scope.startsWith('@') ? `${scope}/${rest}` : scope;
        if (!isBuiltin(specifier) && !installed.has(name)) foreign.push(`${folder}/${name}: ${specifier}`);
      }
    }
  }
  t.deepEqual(foreign, []);
});

test('every command and every setting in docs/operations.md exists', async (t) => {
  const text = await read('docs/operations.md');
  const { stdout } = await runCommand(['--help'], { env: {} });
  const commands = new Set([...stdout.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name));
  const used = new Set([...text.matchAll(/(?:^|`)kindred ([a-z]+(?:-[a-z]+)*)/gm)].map(([, name]) => name));
  t.true(used.size >= 6);
  t.deepEqual(
    [...used].filter((name) => !commands.has(name)),
    [],
  );
  const settings = new Set([...Object.keys(schema.shape), 'OTEL_SERVICE_NAME', 'OTEL_EXPORTER_OTLP_HEADERS']);
  const named = [...text.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)(?:=[^`]*)?`/g)].map(
    ([, name = '']) => name,
  );
  const others = new Set([
    'SIGTERM',
    'SIGKILL',
    'KINDRED_DATABASE_PASSWORD',
    'JOBS',
    'HOST',
    'PORT',
    'HOT',
    'TRUST_PROXY',
    'JSON',
  ]);
  t.deepEqual(
    [...new Set(named)].filter((name) => !settings.has(name) && !others.has(name)),
    [],
  );
});
