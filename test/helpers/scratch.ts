// A temporary folder that is removed when its process ends, however it ends, together with a Postgres that runs in it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Scratch {
  path: string;
  /** Stops the Postgres of this folder, if one still runs, and removes the folder. */
  remove(): Promise<void>;
}

// No handler runs when a process is killed with -9, but the system closes its pipes, and then `cat` ends. The loop is for a
// Postgres that was still starting and wrote files during the removal.
const guard = `
cat > /dev/null
while [ -e "$1" ]; do
  pid=$(head -n 1 "$1/postgres/postmaster.pid" 2> /dev/null) && kill -QUIT "$pid" 2> /dev/null
  rm -rf "$1" 2> /dev/null || sleep 0.2
done
`;

/** Creates a temporary folder that other users may enter (Postgres runs as another user) but not list. */
export async function makeScratch(): Promise<Scratch> {
  const path = await mkdtemp(join(tmpdir(), 'kindred-test-'));
  await chmod(path, 0o711);
  // Detached, so that a Ctrl-C at the terminal does not reach it.
  const keeper = spawn('sh', ['-c', guard, 'sh', path], {
    cwd: tmpdir(),
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  keeper.unref();
  return {
    path,
    async remove() {
      if (keeper.exitCode !== null) return;
      keeper.ref();
      keeper.stdin.end();
      await once(keeper, 'exit');
    },
  };
}
