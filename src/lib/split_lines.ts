// The lines of a file of any size, in bounded memory.

export interface Line {
  /** Counted from 1, as editors do. */
  number: number;
  /** Without its line break; null when the line is longer than allowed. */
  bytes: Buffer | null;
  /** The number of bytes of the file up to the end of this line. */
  end: number;
}

/** Splits chunks into lines; nothing of a line beyond `maxBytes` is kept. A last line without a line break counts. */
export async function* splitLines(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line> {
  let number = 0;
  let end = 0;
  let parts: Buffer[] = [];
  let size = 0;
  const add = (part: Buffer) => {
    size += part.length;
    end += part.length;
    if (size <= maxBytes) parts.push(part);
    else parts = [];
  };
  const finish = (): Line => {
    const bytes = size <= maxBytes ? Buffer.concat(parts) : null;
    parts = [];
    size = 0;
    number += 1;
    return { number, bytes, end };
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      add(chunk.subarray(from, at));
      end += 1;
      yield finish();
      from = at + 1;
    }
    add(chunk.subarray(from));
  }
  if (size > 0) yield finish();
}
