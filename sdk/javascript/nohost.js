// The host's calls where there is no host: in tests of a script, run by Node.

export function host(name) {
  throw new Error(`\`${name}\` needs a host: the function runs outside of wxec`);
}
host.absent = true;
