// Preloaded by the npm scripts: an older Node cannot even parse our sources, so this file is the one that tells.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `Kindred needs Node.js 24 or newer; this is ${process.version}. Run "npm ci" (without --omit=dev): it brings the right one, and the npm scripts use it.`,
  );
  process.exit(1);
}
