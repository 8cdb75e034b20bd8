// `npm run demo`: the story of a stolen refresh token, told against a server of its own that is gone afterwards.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/index.ts';
import { createNarrator, StoryFailed } from './demo/narrator.ts';
import { tellStory } from './demo/story.ts';
import { startServer } from './process/run_server.ts';

/** Runs the demo to its end; true when every step came out as told. */
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
      await tellStory(server.config.issuer, narrator);
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

// Complete, so that neither the environment nor a .env file of the working folder has a say.
function settings(directory: string) {
  return loadConfig({
    NODE_ENV: 'development',
    PORT: '0',
    DATABASE_URL: `sqlite:${join(directory, 'kindred.sqlite')}`,
    METRICS_PORT: '0',
    LOG_LEVEL: 'silent',
  });
}

// Through `head` the reader leaves early; the story is told to its end all the same, and cleans up.
process.stdout.on('error', () => {});
process.exit((await runDemo()) ? 0 : 1);
