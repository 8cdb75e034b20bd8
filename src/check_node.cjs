// Preloaded by the npm scripts: an older Node cannot even parse our sources, so this file is the one that tells.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `Kindred needs Node.js 24 or newer; this is ${process.version}. Run "npm ci" (without --omit=dev): it brings the right one, and the npm scripts use it.`,
  );
  process.exit(1);
}

// What is compiled, and stripped of its types, once is read the next time: a start takes 1.2 s of processor instead of
// 2.0, and 147 MiB instead of 171. With the packages, since whoever may write there could write code anyway; the default,
// in /tmp, belongs to nobody. Where it cannot be written, it is not.
const { join } = require('node:path');
require('node:module').enableCompileCache(join(__dirname, '..', 'node_modules', '.cache', 'kindred'));
