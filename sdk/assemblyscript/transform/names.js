// Names of things in the notation that all SDKs use.

/** Converts a name: `HTTPPort` to `http_port`. */
export function snakeCase(name) {
  return name
    .replace(/([^A-Z_])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .toLowerCase();
}

/** Returns the path of a module of a package: its folders and its file below the entry's. */
export function modulePath(file, crate, root) {
  const below = file.startsWith(root) ? file.slice(root.length) : file;
  const parts = below.replace(/\.ts$/, "").split("/");
  if (parts.at(-1) === "index") parts.pop();
  return [crate, ...parts.map((part) => snakeCase(part.replaceAll("-", "_")))].join("::");
}

const PLAIN = { usize: "u32", isize: "i32", number: "f64", boolean: "bool", string: "String", Uint8Array: "Bytes", void: "()" };
const GENERIC = { Array: "Vec", StaticArray: "Vec", Option: "Option", Map: "BTreeMap", Receiver: "Receiver", Sender: "Sender" };

/** Writes a type. */
export function typeName(node) {
  const name = nameOf(node);
  const given = (node.typeArguments ?? []).map(typeName);
  let written = PLAIN[name] ?? name;
  if (name === "Pair") written = `(${given.join(", ")})`;
  else if (given.length) written = `${GENERIC[name] ?? name}<${given.join(", ")}>`;
  return node.isNullable ? `Option<${written}>` : written;
}

/** Returns the name of a type without what stands around it. */
export function nameOf(node) {
  return node.name?.identifier?.text ?? "Value";
}

/** Returns the types of a task's value and of its error. */
export function outcome(node) {
  const name = nameOf(node);
  if (name === "Result") return { value: typeName(node.typeArguments[0]), error: "TaskError" };
  if (name === "TaskError" && node.isNullable) return { value: "()", error: "TaskError" };
  return { value: typeName(node) };
}
