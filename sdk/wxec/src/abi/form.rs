//! The form of what a guest's call takes and gives: it is the form that the call's arguments came in.

use std::cell::Cell;

use wxec_protocol::cbor::Form;

thread_local! {
    // A guest has one thread, and one call at a time; tests have several.
    static FORM: Cell<Form> = const { Cell::new(Form::Compact) };
}

/// Begins a call whose arguments are in this form.
pub(crate) fn set(form: Form) {
    FORM.set(form);
}

/// The form of the call that is under way.
pub(crate) fn current() -> Form {
    FORM.get()
}
