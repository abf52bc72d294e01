// Numbers about a text.
import { split } from "./split";

/** Counts the words of each length, in letters. */
@task
export function lengths(text: string): Map<u32, u32> {
  const lengths = new Map<u32, u32>();
  const words = split(text);
  for (let i = 0; i < words.length; i++) {
    const length = letters(words[i]);
    lengths.set(length, lengths.has(length) ? lengths.get(length) + 1 : 1);
  }
  return lengths;
}

/** Counts code points: a letter outside of the basic plane takes two characters. */
function letters(word: string): u32 {
  let count = 0;
  for (let i = 0; i < word.length; i++) {
    const isSecondHalf = (word.charCodeAt(i) & 0xfc00) == 0xdc00;
    count += i32(!isSecondHalf);
  }
  return count;
}
