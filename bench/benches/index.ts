// The named benches, in the order in which they run.
import type { Found } from '../harness/report.ts';
import type { Stage } from '../harness/stage.ts';
import { benchAged } from './aged.ts';
import { benchBeside } from './beside.ts';
import { benchCodeFlow } from './code_flow.ts';
import { benchGrowth } from './growth.ts';
import { benchIntrospection } from './introspection.ts';
import { benchKinds } from './kinds.ts';
import { benchLogin } from './login.ts';
import { benchMachine } from './machine.ts';
import { benchMemory } from './memory.ts';
import { benchPartitions } from './partitions.ts';
import { benchRecords } from './records.ts';
import { benchRefresh } from './refresh.ts';
import { benchRevocation } from './revocation.ts';
import { benchScale } from './scale.ts';
import { benchSqlite } from './sqlite.ts';
import { benchStart } from './start.ts';
import { benchStorm } from './storm.ts';
import { benchSweep } from './sweep.ts';
import { benchUserinfo } from './userinfo.ts';

export interface Bench {
  /** Whether it runs when the command line names no bench. */
  isStandard: boolean;
  run: (stage: Stage, args: string[]) => Promise<Found>;
}

const standard = (run: Bench['run']): Bench => ({ isStandard: true, run });

export const benches: Record<string, Bench> = {
  refresh: standard(benchRefresh),
  kinds: standard(benchKinds),
  beside: standard(benchBeside),
  introspection: standard(benchIntrospection),
  revocation: standard(benchRevocation),
  userinfo: standard(benchUserinfo),
  client_credentials: standard(benchMachine),
  code_flow: standard(benchCodeFlow),
  aged: standard(benchAged),
  login: standard(benchLogin),
  storm: standard(benchStorm),
  scale: standard(benchScale),
  sqlite: standard(benchSqlite),
  growth: standard(benchGrowth),
  start: standard(benchStart),
  memory: standard(benchMemory),
  partitions: { isStandard: false, run: benchPartitions },
  records: { isStandard: false, run: benchRecords },
  sweep: { isStandard: false, run: benchSweep },
};
