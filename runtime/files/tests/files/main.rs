//! The two roles, joined by pipes.

/// Both ends in this process, as a controller and its agent have them.
mod pair;

/// One file: how it looks, where it goes, what is in the way.
mod single;

/// Trees: what is skipped, deleted, left out.
mod trees;

/// Cut links, and transfers that are given up.
mod cuts;
