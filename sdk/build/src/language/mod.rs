//! Projects in other languages than Rust: a folder with a file by which its language is known, and
//! tools that build its module. A language is one file here, and a row in `table`.

pub(crate) mod build;
pub(crate) mod find;

mod assemblyscript;
mod c;
mod go;
mod interpreted;
mod project;
mod record;
mod recipe;
mod run;
mod settings;
mod table;
mod tool;
mod zig;
