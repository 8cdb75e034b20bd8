// Preloaded by the npm scripts: an older Node cannot parse the sources, so this file reports the version.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `Kindred needs Node.js 24 or newer; this is ${process.version}. Run "npm ci" (without --omit=dev): it brings the right one, and the npm scripts use it.`,
  );
  process.exit(1);
}

// Compiled sources, without their types, are cached for the next start: it takes 1.2 s of CPU instead of 2.0, and 147 MiB
// instead of 171. The cache lies in node_modules, because a user who can write there can change the code anyway; the
// default, in /tmp, is writable for other users. If the folder cannot be written, Node skips the cache.
const { join } = require('node:path');
require('node:module').enableCompileCache(join(__dirname, '..', 'node_modules', '.cache', 'kindred'));
