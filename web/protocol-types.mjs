// Makes src/client/protocol.ts from docs/protocol.schema.json, so that the page and the server can't disagree.
//
//   node protocol-types.mjs           write it
//   node protocol-types.mjs --check   exit 1 if it is stale

import { readFileSync, writeFileSync } from "node:fs";

const schemaFile = new URL("../docs/protocol.schema.json", import.meta.url);
const typesFile = new URL("src/client/protocol.ts", import.meta.url);
const indent = (text) => text.replace(/^(?=.)/gm, "  ");

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ type })).join(" | ");
  switch (schema.type) {
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return `Array<${typeOf(schema.items ?? {})}>`;
    case "object":
      return objectOf(schema);
    case undefined:
      return "Json";
    default:
      throw new Error(`no type for ${JSON.stringify(schema)}`);
  }
}

function objectOf(schema) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => `${name}${required.has(name) ? "" : "?"}: ${typeOf(field)};`,
  );
  return fields.length === 0 ? "Record<string, never>" : `{\n${indent(fields.join("\n"))}\n}`;
}

const { title, $defs } = JSON.parse(readFileSync(schemaFile, "utf8"));
const parts = [
  `// ${title}. Made from docs/protocol.schema.json by protocol-types.mjs; don't edit it by hand.`,
  "export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };",
  ...Object.entries($defs).map(([name, schema]) => {
    const comment = schema.description ? `/** ${schema.description} */\n` : "";
    return `${comment}export type ${name} = ${typeOf(schema)};`;
  }),
];
const types = `${parts.join("\n\n")}\n`;

if (!process.argv.includes("--check")) {
  writeFileSync(typesFile, types);
} else if (readFileSync(typesFile, "utf8") !== types) {
  console.error("web/src/client/protocol.ts is stale: run `make web`");
  process.exit(1);
}
