// The pages of the device flow (RFC 8628): a device without a keyboard shows a code, and the user enters it here.
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
  /** Sends `user_code`, and the CSRF token as `xsrf`, the name that the engine expects. */
  form: FormTarget;
  /** What the user entered before. */
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
  /** Sends `confirm=yes` or `abort=yes`, `user_code` as a hidden field, and the CSRF token as `xsrf`. */
  form: FormTarget;
  /** The code with its dashes. */
  code: string;
  client: { name: string };
  /** The request with which the device asked for the code. */
  source: { ip: string | null; userAgent: string | null; at?: Date };
  now: Date;
}

/** Shows the device before it is connected. A user who was sent a link with a code must notice that they did not start this. */
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

/** The outcome of the device flow; `failed` stands for any error. */
export type DeviceOutcome = 'connected' | 'denied' | 'failed';

export interface DeviceResultPage {
  outcome: DeviceOutcome;
  client?: { name: string };
  /** The page where the user sees and ends connected devices. */
  accountUrl?: string;
  /** The page where the user enters another code. */
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
  denied: 'Your device was not connected',
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
