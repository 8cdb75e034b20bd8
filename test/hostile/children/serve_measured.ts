// A server that also tells what its heap holds, after the garbage has been collected, and what its main thread has worked.
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
