//! Bounds of a session that both ends check, each with its reason.

/// Largest frame: room for any error body (1 MiB) with its message around it.
pub const MAX_FRAME_BYTES: usize = (1 << 20) + (64 << 10);

/// Long payloads travel in parts of this size, so that a short message waits for one part at most.
pub const CHUNK_BYTES: usize = 64 << 10;

/// Bytes that may be under way on a stream, in each direction, before its reader has taken any. A
/// reader that takes nothing costs its end of the session this much memory. At 20 ms of latency
/// this allows 50 MB/s.
pub const STREAM_WINDOW_BYTES: u64 = 1 << 20;

/// The same for a narrow stream, until its reader has taken data: enough for ordinary stderr
/// output.
pub const NARROW_WINDOW_BYTES: u64 = 32 << 10;

/// A reader announces credit when it has taken this share of a window: often enough to keep a fast
/// writer busy, seldom enough to cost little.
pub(crate) const ANNOUNCED_SHARE: u64 = 4;

/// Largest number of wide streams open at once; further ones are narrow. If no reader takes
/// anything, the wide ones cost 64 MiB.
pub const MAX_WIDE_STREAMS: usize = 64;

/// Largest number of streams open at once in one session: a thousand hosts behind one bastion, each
/// with three. If no reader takes anything, the limits in this file cost one end of a session 256
/// MiB.
pub const MAX_STREAMS: usize = 4096;

/// Streams that one call may have for the items of its task: one for each parameter, and one for
/// the value it returns.
pub const MAX_CALL_STREAMS: usize = 16;

/// Largest number of asks that one call may have open. Together they hold no more than the call
/// itself may return.
pub const MAX_ASKS: usize = 64;
