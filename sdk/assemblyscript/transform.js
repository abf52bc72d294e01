// Makes tasks of functions with the decorator `@task`, and lets classes with the decorator `@record`
// travel. For asc's option `--transform wxec/transform`.
//
// The exports and the methods that read and write records are added to the text of the sources, each
// at the end of a line, so that the compiler's messages keep their places. The descriptions of the
// tasks go to a section of the module, where callers read them without running it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assemblyscript from "assemblyscript";
import { Transform } from "assemblyscript/transform";
import { array, bool, map, text } from "./transform/cbor.js";
import { modulePath, nameOf, outcome, snakeCase, typeName } from "./transform/names.js";

const { NodeKind } = assemblyscript;
const USER_ENTRY = 1;
// The flag of the compiler's AST.
const STATIC = 1 << 5;
const EXPORT = "__wxec_export";
const SECTION = "wxec.fn.v1";

export default class WxecTransform extends Transform {
  tasks = [];
  complaints = [];

  afterParse(parser) {
    // The compiler has its runtime as an entry as well.
    const entry = parser.sources.find(({ sourceKind, normalizedPath }) => sourceKind === USER_ENTRY && !isLibrary(normalizedPath));
    const root = entry?.normalizedPath.replace(/[^/]*$/, "") ?? "";
    const crate = snakeCase(packageName(this.baseDir).split("/").pop().replaceAll("-", "_"));
    for (const source of [...parser.sources]) {
      const additions = this.additions(source, crate, root);
      if (additions.length) replace(parser, source, withAdditions(source.text, additions));
    }
    this.complain();
    parser.parseFile(this.entry(), "wxec-exports.ts", true);
  }

  afterCompile(module) {
    const { binaryen } = this;
    const exported = new Map();
    for (let i = 0; i < module.getNumExports(); i++) {
      const info = binaryen.getExportInfo(module.getExportByIndex(i));
      exported.set(info.name, info.value);
    }
    for (const [place, task] of this.tasks.entries()) {
      const name = EXPORT + place;
      module.removeExport(name);
      module.addFunctionExport(exported.get(name), "wx1_" + task.path);
    }
    module.addCustomSection(SECTION, this.descriptions());
  }

  /** Returns what is to be added to a source, as pairs of a position and a text. */
  additions(source, crate, root) {
    const additions = [];
    const module = modulePath(source.normalizedPath, crate, root);
    for (const node of source.statements) {
      if (node.kind === NodeKind.FunctionDeclaration && decorator(node, "task") && !isLibrary(source.normalizedPath)) {
        additions.push([source.text.length, this.task(node, source, module)]);
      } else if (node.kind === NodeKind.ClassDeclaration && decorator(node, "record")) {
        additions.push([node.range.end - 1, this.record(node, source, module)]);
      }
    }
    return additions;
  }

  /** Notes a task, and returns the source of its export. */
  task(node, source, module) {
    const task = {
      path: argument(decorator(node, "task")) ?? `${module}::${snakeCase(node.name.text)}`,
      doc: docOf(source.text, node.name.range.start),
      wants: argument(decorator(node, "task"), 1) ?? "",
      parameters: node.signature.parameters.map((parameter) => ({
        name: snakeCase(parameter.name.text),
        type: typeName(parameter.type),
        node: parameter.type,
      })),
      returns: node.signature.returnType,
      file: source.normalizedPath.replace(/\.ts$/, ""),
      place: `${source.normalizedPath}:${source.lineAt(node.range.start)}`,
    };
    const place = this.tasks.push(task) - 1;
    const takes = task.parameters.map(({ node }, i) => `const a${i} = call.${taken(node)};`).join(" ");
    const names = task.parameters.map(({ name }) => JSON.stringify(name)).join(", ");
    const call = `${node.name.text}(${task.parameters.map((_, i) => "a" + i).join(", ")})`;
    return (
      ` export function ${EXPORT}${place}(): i32 { const call = new WxecCall(StaticArray.fromArray<string>([${names}])); ` +
      `${takes} if (call.complaint.length) return call.refuse(); ${ended(task.returns, call)} }`
    );
  }

  /** Returns the methods by which a record travels. */
  record(node, source, module) {
    const fields = node.members.filter((member) => member.kind === NodeKind.FieldDeclaration && !member.isAny(STATIC));
    for (const field of fields) {
      if (!field.type) this.complaints.push(`${source.normalizedPath}:${source.lineAt(field.range.start)}: field ${field.name.text} needs a type`);
    }
    // The fields that are given are bits of a number.
    if (fields.length > 64) this.complaints.push(`${source.normalizedPath}: record ${node.name.text} has more than 64 fields`);
    const typed = fields.filter((field) => field.type).map((field, place) => ({ field: field.name.text, name: snakeCase(field.name.text), type: sourceOf(field.type), node: field.type, place }));
    const isError = node.extendsType && nameOf(node.extendsType) === "TaskError";
    return ` ${writing(typed)} ${isError ? failing(module, node.name.text) : reading(node.name.text, typed)} `;
  }

  /** Stops the build if the tasks cannot be. */
  complain() {
    const complaints = this.complaints;
    const paths = new Set();
    for (const { path, place } of this.tasks) {
      if (paths.has(path)) complaints.push(`${place}: two tasks have the path ${path}`);
      paths.add(path);
    }
    if (!this.tasks.length) complaints.push("no function has the decorator @task");
    if (complaints.length) {
      const error = new Error(complaints.join("\n"));
      error.stack = error.message;
      throw error;
    }
  }

  /** Returns the source that makes the exports of all files those of the module. */
  entry() {
    const lines = this.tasks.map(({ file }, place) => `export { ${EXPORT}${place} } from "./${file}";`);
    return `import "wxec"; ${lines.join(" ")}`;
  }

  descriptions() {
    const records = this.tasks.flatMap((task) => {
      const at = task.path.lastIndexOf("::");
      const module = at < 0 ? "" : task.path.slice(0, at);
      const name = at < 0 ? task.path : task.path.slice(at + 2);
      const { value, error } = outcome(task.returns);
      const described = { name: text(name), doc: text(task.doc), params: array(task.parameters.map(({ name, type }) => map({ name: text(name), ty: text(type) }))), ret: text(value) };
      if (error) described.err = text(error);
      if (task.wants) described.wants = wants(task.wants);
      const body = array([text(module), map(described)]);
      return [body.length & 0xff, (body.length >> 8) & 0xff, (body.length >> 16) & 0xff, body.length >>> 24, ...body];
    });
    return Uint8Array.from(records);
  }
}

/** Returns the source of the method that writes a record. */
function writing(fields) {
  const each = fields.map(({ field, name, type }) => `writer.text(${JSON.stringify(name)}); wxecWrite<${type}>(writer, this.${field});`);
  return `__wxecWrite(writer: WxecWriter): void { writer.map(${fields.length}); if (writer.isFull) return; ${each.join(" ")} writer.close(); }`;
}

/** Returns the source of the method that reads a record. */
function reading(record, fields) {
  const each = fields.map(({ field, name, type, place }) => {
    const step = JSON.stringify("." + name);
    return (
      `if (key == ${JSON.stringify(name)}) { reader.once(given, ${place}); given |= <u64>1 << ${place}; ` +
      `this.${field} = wxecRead<${type}>(reader); reader.within(${step}); } else`
    );
  });
  // A field that may be missing is null, or an option without a value, from the start.
  const needed = fields.filter(({ node }) => !node.isNullable && nameOf(node) !== "Option");
  const absent = fields.filter(({ node }) => nameOf(node) === "Option");
  return (
    `__wxecRead(reader: WxecReader): void { let given: u64 = 0; ` +
    absent.map(({ field, type }) => `this.${field} = wxecAbsent<${type}>(); `).join("") +
    `let left = reader.map(${JSON.stringify("a map with the fields of " + record)}); for (; reader.more(left); left = wxecRest(left)) { ` +
    `const key = reader.text(); ${each.join(" ")} reader.skip(); } ` +
    needed.map(({ name, place }) => `reader.need(given, ${place}, ${JSON.stringify("." + name)}); `).join("") +
    `reader.close(); }`
  );
}

/** Returns the source of the methods that tell of an error. */
function failing(module, name) {
  return (
    `__wxecType(): string { return ${JSON.stringify(`${module}::${name}`)}; } ` +
    `__wxecData(writer: WxecWriter): bool { this.__wxecWrite(writer); return true; }`
  );
}

/** Returns the source that takes an argument. */
function taken(type) {
  const name = nameOf(type);
  if (name === "Receiver" || name === "Sender") return `${name.toLowerCase()}<${sourceOf(type.typeArguments[0])}>()`;
  return `take<${sourceOf(type)}>()`;
}

/** Returns the source that calls a function and ends the call of its task. */
function ended(type, call) {
  const name = nameOf(type);
  if (name === "void") return `${call}; return wxecNothing();`;
  if (name === "Result") return `return wxecResult<${sourceOf(type.typeArguments[0])}>(${call});`;
  if (name === "TaskError" && type.isNullable) return `return wxecMaybe(${call});`;
  return `return wxecValue<${sourceOf(type)}>(${call});`;
}

function sourceOf(node) {
  return node.range.source.text.slice(node.range.start, node.range.end);
}

function decorator(node, name) {
  return node.decorators?.find((decorator) => decorator.name.text === name);
}

/** Returns an argument of a decorator, if it has it: a text. */
function argument(decorator, place = 0) {
  return decorator.args?.[place]?.value || undefined;
}

/** Returns the text of the comment before a declaration, whose name is at `end`. */
function docOf(source, end) {
  const before = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*(?:(?:@\w+(?:\([^)]*\))?|export|function|\/\/[^\n]*)\s*)*$/.exec(source.slice(0, end));
  return before ? before[1].replace(/^\s*\* ?/gm, "").trim() : "";
}

/** Encodes what a task declares to need: `read=/etc,/proc run=ls facts`. */
function wants(words) {
  const lists = {};
  const encoded = {};
  for (const word of words.split(/\s+/).filter(Boolean)) {
    const [kind, values] = word.split("=", 2);
    if (word === "facts" || word === "attributes") encoded[word] = bool(true);
    else if (["read", "write", "run", "env", "net", "host", "ask"].includes(kind) && values) (lists[kind] ??= []).push(...values.split(","));
    else throw new Error(`${JSON.stringify(word)} is nothing that a task can want`);
  }
  for (const [kind, values] of Object.entries(lists)) encoded[kind] = array(values.map(text));
  return map(encoded);
}

/** Inserts texts at positions of a source. */
function withAdditions(source, additions) {
  return additions
    .toSorted(([a], [b]) => b - a)
    .reduce((text, [at, added]) => text.slice(0, at) + added + text.slice(at), source);
}

/** Parses another text in place of a source. */
function replace(parser, source, text) {
  parser.sources.splice(parser.sources.indexOf(source), 1);
  parser.donelog.delete(source.internalPath);
  parser.parseFile(text, source.normalizedPath, source.sourceKind === USER_ENTRY);
}

/** Tells if a source is of a package; its tasks are not those of this module. */
function isLibrary(path) {
  return path.startsWith("~lib/");
}

function packageName(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).name;
}
