//! Keeps the form of the guest's call: the call's values are encoded in the form that its arguments
//! came in.

use std::cell::Cell;

use wxec_protocol::cbor::Form;

thread_local! {
    // A guest has one thread, and one call at a time; tests have several threads.
    static FORM: Cell<Form> = const { Cell::new(Form::Compact) };
}

/// Sets the form of the call that begins: the form of its arguments.
pub(crate) fn set(form: Form) {
    FORM.set(form);
}

/// Returns the form of the call that is under way.
pub(crate) fn current() -> Form {
    FORM.get()
}
