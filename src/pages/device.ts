// The pages of the device flow (RFC 8628): a screen without a keyboard shows a code, and it is typed here.
import type { Brand } from './brand.ts';
import { clientName } from './text.ts';
import { ago, waitFor } from './time.ts';
import { describeUserAgent, deviceKind } from './user_agent.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

export type DeviceCodeProblem =
  | { kind: 'missing' | 'not_found' | 'expired' | 'used' }
  /** `retryAfter` in seconds. */
  | { kind: 'too_many_attempts'; retryAfter: number };

export interface DeviceCodePage {
  /** Sends `user_code`; the csrf token goes as `xsrf`, which is where the engine looks. */
  form: FormTarget;
  /** What was typed before. */
  code?: string;
  problem?: DeviceCodeProblem;
  /** Characters of a code without its dashes; 8 when absent. */
  codeLength?: number;
}

/** Asks for the code that the device shows. Case, spaces and dashes do not matter. */
export function renderDeviceCode(brand: Brand, page: DeviceCodePage): string {
  const { problem, code = '', codeLength = 8 } = page;
  return renderPage(
    brand,
    'device_code',
    { title: 'Connect a device', hasProblem: problem !== undefined },
    {
      form: formOf(page.form, 'xsrf'),
      code,
      pattern: `[^A-Za-z0-9]*([A-Za-z0-9][^A-Za-z0-9]*){${codeLength}}`,
      codeLength,
      problem: problem ? problemText(problem) : null,
    },
  );
}

export interface DeviceConfirmPage {
  /** Sends `confirm=yes` or `abort=yes`; give `user_code` as a hidden field. The csrf token goes as `xsrf`. */
  form: FormTarget;
  /** The code with its dashes. */
  code: string;
  client: { name: string };
  /** Whence the device asked for the code. */
  source: { ip: string | null; userAgent: string | null; at?: Date };
  now: Date;
}

/** Shows what would be connected. Whoever was sent a link with a code in it must notice that they did not start this. */
export function renderDeviceConfirm(brand: Brand, page: DeviceConfirmPage): string {
  const { client, source, code, now } = page;
  return renderPage(
    brand,
    'device_confirm',
    { title: 'Is this your device?' },
    {
      form: formOf(page.form, 'xsrf'),
      code,
      clientName: clientName(client.name),
      device: describeUserAgent(source.userAgent),
      kind: deviceKind(null, source.userAgent),
      ip: source.ip,
      asked: source.at ? ago(source.at, now) : null,
    },
  );
}

/** How it ended; `failed` for whatever went wrong on the way. */
export type DeviceOutcome = 'connected' | 'denied' | 'failed';

export interface DeviceResultPage {
  outcome: DeviceOutcome;
  client?: { name: string };
  /** Where the user sees and ends what they connected. */
  accountUrl?: string;
  /** Where to enter another code. */
  retryUrl?: string;
}

/** The last page of the device flow. */
export function renderDeviceResult(brand: Brand, page: DeviceResultPage): string {
  const { outcome, client } = page;
  const name = client ? clientName(client.name) : null;
  const title = headings[outcome];
  return renderPage(
    brand,
    'device_result',
    { title, hasProblem: outcome === 'failed' },
    {
      ...page,
      title,
      clientName: name,
    },
  );
}

const headings: Record<DeviceOutcome, string> = {
  connected: 'Your device is connected',
  denied: 'Nothing was connected',
  failed: 'Your device could not be connected',
};

function problemText(problem: DeviceCodeProblem): string {
  switch (problem.kind) {
    case 'missing':
      return 'Enter the code that your device shows.';
    case 'not_found':
      return 'That code doesn’t match. Check your device and try again.';
    case 'expired':
      return 'This code has expired. Start again on your device to get a new one.';
    case 'used':
      return 'This code was already used. Start again on your device to get a new one.';
    case 'too_many_attempts':
      return `Too many attempts. Try again in ${waitFor(problem.retryAfter)}.`;
  }
}
