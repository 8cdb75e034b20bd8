// The error type of every refusal; error_table.ts has the statuses and public texts.

import { errorTable } from './error_table.ts';

export type ErrorName = keyof typeof errorTable;

/**
 * A refusal whose text the caller sees. `detail` replaces the table's text, so it must not contain a secret; `retryAfter` is
 * and `maxAge` (of a proof of the user, RFC 9470) are in seconds; `reason` is a stable code beside the error; `endedReason` says beside it
 * why a session ended; `logDetail` is for the log alone; a refusal that `isDecided` stands, even where the client cache was outdated (token/grant.ts).
 */
export class AppError extends Error {
  readonly code: ErrorName;
  readonly status: number;
  readonly error: string;
  readonly retryAfter: number | undefined;
  readonly maxAge: number | undefined;
  readonly reason: string | undefined;
  readonly endedReason: string | undefined;
  /** Further members of the answer. */
  readonly members: Readonly<Record<string, unknown>> | undefined;
  readonly logDetail: string | undefined;
  readonly isDecided: boolean;

  constructor(
    code: ErrorName,
    detail?: string,
    options: {
      retryAfter?: number;
      maxAge?: number;
      reason?: string;
      endedReason?: string;
      members?: Readonly<Record<string, unknown>>;
      logDetail?: string;
      isDecided?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(detail ?? errorTable[code].description, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = errorTable[code].status;
    this.error = errorTable[code].error;
    this.retryAfter = options.retryAfter;
    this.maxAge = options.maxAge;
    this.reason = options.reason;
    this.endedReason = options.endedReason;
    this.members = options.members;
    this.logDetail = options.logDetail;
    this.isDecided = options.isDecided ?? false;
  }
}
