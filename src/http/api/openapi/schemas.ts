// The schemas of the OpenAPI document: each schema with a name (`.meta({ id })`) stands once among the components, and all other
// places refer to it.
import { z } from 'zod';

export type Json = Record<string, unknown>;

export interface SchemaCollector {
  /** A schema as JSON Schema; the named schemas in it are collected. */
  describe: (schema: z.ZodType, io: 'input' | 'output') => Json;
  /** The named schemas collected so far. */
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
        override: ({ zodSchema, jsonSchema }) => {
          // The name belongs to the component; as a keyword of JSON Schema, `id` has another meaning.
          delete jsonSchema.id;
          if (jsonSchema.type === 'integer') boundIntegers(jsonSchema, io);
          // An answer may get further members at any time; only requests are closed.
          if (io === 'output' && zodSchema._zod.def.type === 'object') delete jsonSchema.additionalProperties;
        },
      });
      for (const [name, definition] of Object.entries($defs)) {
        const found = relocate(definition) as Json;
        // Of two schemas with one name, one would be lost.
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

// Zod names the range of integers that JavaScript can represent where there is no other. A request outside of it is refused.
function boundIntegers(schema: Json, io: 'input' | 'output'): void {
  if (schema.maximum !== Number.MAX_SAFE_INTEGER) return;
  schema.format = 'int64';
  if (io === 'input') return;
  delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
}

// Zod puts named schemas into `$defs` of the schema that uses them; in the document they stand among the components.
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
