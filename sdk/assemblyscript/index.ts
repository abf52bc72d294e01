/**
 * Functions that run on other machines, each call in a sandbox of its own. A function with the
 * decorator `@task` becomes a task; a class with the decorator `@record` travels by its fields.
 */
export { Level, cancelled, log } from "./assembly/task";
export { HostError, Result, TaskError } from "./assembly/errors";
export { Option, Pair } from "./assembly/values";
export { Receiver, Sender, isClosed } from "./assembly/channel";
export { Command, Output, Process } from "./assembly/process";
export { appendFile, readFile, readText, sleep, writeFile, writeText } from "./assembly/files";
export { Call, Connection, Distro, Facts, RemoteError, facts } from "./assembly/machine";
export { WxecReader } from "./assembly/reader";
export { WxecWriter } from "./assembly/writer";
