// A server that also reports its heap size after a garbage collection, and the CPU time of its main thread.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import '../../helpers/children/serve.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('message', (message) => {
  if (message === 'cpu') {
    const { user, system } = process.threadCpuUsage();
    process.send?.({ cpu: user + system });
  }
  if (message !== 'heap') return;
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.send?.({ heap: heapUsed + external + arrayBuffers });
});
