// `npm run demo`: the story of a stolen refresh token, on a temporary server of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/index.ts';
import { createNarrator, StoryFailed } from './demo/narrator.ts';
import { runStory } from './demo/story.ts';
import { startServer } from './process/run_server.ts';

/** Runs the demo to its end; true if every step had the expected result. */
async function runDemo(): Promise<boolean> {
  const narrator = createNarrator(process.stdout);
  const directory = await mkdtemp(join(tmpdir(), 'kindred-demo-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void remove().finally(() => process.exit(1)));
  }
  try {
    const server = await startServer(settings(directory));
    try {
      await runStory(server.config.issuer, narrator);
      return true;
    } finally {
      await server.stop();
    }
  } catch (error) {
    narrator.fail(error instanceof StoryFailed ? error.message : `it broke: ${error}`);
    return false;
  } finally {
    await remove();
  }
}

// Complete, so that neither the environment nor a .env file of the working folder changes it.
function settings(directory: string) {
  return loadConfig({
    NODE_ENV: 'development',
    PORT: '0',
    DATABASE_URL: `sqlite:${join(directory, 'kindred.sqlite')}`,
    METRICS_PORT: '0',
    LOG_LEVEL: 'silent',
  });
}

// `npm run demo | head` closes the pipe early; the demo still runs to its end and cleans up.
process.stdout.on('error', () => {});
process.exit((await runDemo()) ? 0 : 1);
