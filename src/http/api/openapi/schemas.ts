// The schemas of the OpenAPI document: each that has a name (`.meta({ id })`) stands once among the components, and every
// other place refers to it there.
import { z } from 'zod';

export type Json = Record<string, unknown>;

export interface SchemaCollector {
  /** A schema as JSON Schema; those named in it are collected. */
  describe: (schema: z.ZodType, io: 'input' | 'output') => Json;
  /** The named ones that were met up to now. */
  collected: () => Record<string, Json>;
}

/** Begins a collection for one document. */
export function collectSchemas(): SchemaCollector {
  const components: Record<string, Json> = {};
  return {
    describe(schema, io) {
      const {
        $schema: _dialect,
        $defs = {},
        ...made
      } = z.toJSONSchema(schema, {
        io,
        unrepresentable: 'any',
        reused: 'inline',
        override: ({ jsonSchema }) => {
          // The name is that of the component; the keyword would mean something else.
          delete jsonSchema.id;
        },
      });
      for (const [name, definition] of Object.entries($defs)) {
        const found = relocate(definition) as Json;
        // One name for two schemas would leave one of them out.
        const known = components[name];
        if (known && JSON.stringify(known) !== JSON.stringify(found))
          throw new Error(`two schemas are named ${name}`);
        components[name] = found;
      }
      return relocate(made) as Json;
    },
    collected: () => components,
  };
}

// Zod puts what is named beside the schema that names it; in a document `#` is the whole of it.
function relocate(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relocate);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === '$ref' && typeof inner === 'string'
        ? [key, inner.replace('#/$defs/', '#/components/schemas/')]
        : [key, relocate(inner)],
    ),
  );
}
