// Detects options that npm consumed, because a script was called without `--` before its options.

/** Those of `names` (long options without dashes) that npm consumed: it passes them as `npm_config_…`. */
export function takenByNpm(names: string[], env: NodeJS.ProcessEnv = process.env): string[] {
  if (env.npm_lifecycle_event !== 'kindred') return [];
  return names.filter((name) => {
    const value = env[`npm_config_${name.replaceAll('-', '_')}`];
    return value !== undefined && value !== '';
  });
}
