/** Splits a text at white space. */
export function split(text: string): string[] {
  const words = new Array<string>();
  let start = -1;
  for (let i = 0; i <= text.length; i++) {
    const isSpace = i == text.length || isWhiteSpace(text.charCodeAt(i));
    if (isSpace && start >= 0) {
      words.push(text.substring(start, i));
      start = -1;
    } else if (!isSpace && start < 0) {
      start = i;
    }
  }
  return words;
}

/** Tells if a character has Unicode's property White_Space. */
function isWhiteSpace(code: i32): bool {
  return (
    code == 0x20 ||
    (code >= 0x09 && code <= 0x0d) ||
    code == 0x85 ||
    code == 0xa0 ||
    code == 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code == 0x2028 ||
    code == 0x2029 ||
    code == 0x202f ||
    code == 0x205f ||
    code == 0x3000
  );
}
