//! Configs of plans as their callers settle them: in layers, with secrets by reference.

mod reference;
mod schema;

mod layers;
mod mistake;

mod check;
mod templates;

mod folders;
mod mistakes;

pub use folders::TemplateFolder;
pub use layers::{Layers, Origin, Setting};
pub use mistake::{Mistake, MistakeKind};
pub use mistakes::Mistakes;
pub use reference::{MAX_SECRET_BYTES, Reference, ReferenceFault, References};
pub use schema::{Field, Schema, Variant};
pub use templates::{MAX_RENDERED_BYTES, Template, TemplateFault, Templates};
