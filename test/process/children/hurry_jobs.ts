// Preloaded by a server: makes every job due each second.
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith('/src/jobs.ts')) return loaded;
    return {
      ...loaded,
      source: String(loaded.source).replaceAll(/schedule: '.*'/g, "schedule: '* * * * * *'"),
    };
  },
});
