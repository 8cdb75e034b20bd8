// A minimal HTTP/1.1 client: one kept-alive connection, one request at a time. The client of node:http costs several times
// as much, and a busy generator would measure itself.
import { connect, type Socket } from 'node:net';

export interface Answer {
  status: number;
  /** Latin-1: bytes are characters. What is checked is ASCII. */
  body: string;
  /** The status line and the headers. */
  head: string;
}

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

/** A connection that carries one request after the other. */
export class Connection {
  #socket: Socket;
  #received = '';
  #waiting: Waiting | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: unknown) => this.#take(String(text)));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static open(port: number, host = '127.0.0.1'): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket));
      });
    });
  }

  /** Sends a whole request, head and body, and waits for its answer. */
  ask(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request, 'latin1');
    });
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#received += text;
    const answer = parseAnswer(this.#received);
    if (!answer) return;
    this.#received = '';
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(answer);
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}

/** The answer, or null while part of it is missing. Nothing follows it, since there is one request at a time. */
export function parseAnswer(text: string): Answer | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const status = Number(text.slice(9, 12));
  const original = text.slice(0, end);
  const head = original.toLowerCase();
  const start = end + 4;
  const at = head.indexOf('\r\ncontent-length:');
  if (at >= 0) {
    const length = Number.parseInt(head.slice(at + 17), 10);
    return text.length < start + length
      ? null
      : { status, body: text.slice(start, start + length), head: original };
  }
  if (head.includes('\r\ntransfer-encoding: chunked')) {
    const body = joinChunks(text, start);
    return body === null ? null : { status, body, head: original };
  }
  if (status === 204 || status === 304) return { status, body: '', head: original };
  throw new Error(`an answer without a length: ${head}`);
}

function joinChunks(text: string, from: number): string | null {
  let body = '';
  for (let at = from; ; ) {
    const line = text.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = Number.parseInt(text.slice(at, line), 16);
    const next = line + 2 + size + 2;
    if (text.length < next) return null;
    if (size === 0) return body;
    body += text.slice(line + 2, line + 2 + size);
    at = next;
  }
}

const agent = 'ExampleApp/4.12.1 (iPhone; iOS 18.5; Scale/3.00)';

/**
 * A function that puts a form, and header lines that only this request has, into a request to `path`. The constant part of
 * the head is built once.
 */
export function formRequests(
  url: string,
  path: string,
  headers = '',
): (form: string, more?: string) => string {
  const head = `POST ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nUser-Agent: ${agent}\r\n${headers}Content-Type: application/x-www-form-urlencoded\r\n`;
  return (form, more = '') => `${head}${more}Content-Length: ${form.length}\r\n\r\n${form}`;
}

/** A GET with header lines. */
export function getRequest(url: string, path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nUser-Agent: ${agent}\r\n${headers}\r\n`;
}

/** The header line of a bearer token. */
export function bearer(token: string): string {
  return `Authorization: Bearer ${token}\r\n`;
}

/** The header line of a client that authenticates with its secret (RFC 6749, 2.3.1). */
export function basic({ client_id, client_secret }: { client_id: string; client_secret: string }): string {
  return `Authorization: Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}\r\n`;
}
