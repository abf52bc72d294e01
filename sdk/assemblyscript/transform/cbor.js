// Writes the CBOR of descriptions. Each function returns bytes in an array.

function head(major, value) {
  if (value < 24) return [(major << 5) | value];
  if (value < 1 << 8) return [(major << 5) | 24, value];
  if (value < 1 << 16) return [(major << 5) | 25, value >> 8, value & 0xff];
  return [(major << 5) | 26, value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}

export function text(value) {
  const bytes = new TextEncoder().encode(value);
  return [...head(3, bytes.length), ...bytes];
}

export const bool = (value) => [value ? 0xf5 : 0xf4];

export function array(items) {
  return [...head(4, items.length), ...items.flat()];
}

export function map(entries) {
  const pairs = Object.entries(entries);
  return [...head(5, pairs.length), ...pairs.flatMap(([key, value]) => [...text(key), ...value])];
}
