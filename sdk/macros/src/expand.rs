//! Writes the items that `#[remote]` adds to a function, one item per method.
//!
//! Local variables have `mixed_site` spans, so that they never clash with a parameter or a function
//! of the same name. Items and generics have no such hygiene; their names say `wxec`.

use std::env;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Path, Type, ext::IdentExt, spanned::Spanned};

use crate::{
    plan::Plan,
    record,
    signature::{Parameter, Passing, Returns, Task},
};

/// The variable that names the file of the module that a crate's `build.rs` compiled;
/// `wxec_build::embed()` sets it.
const EMBEDDED_MODULE: &str = "WXEC_EMBEDDED_MODULE";
/// The variable that names the target of that module: `lib:` or `bin:`, and the crate's name.
const EMBEDDED_TARGET: &str = "WXEC_EMBEDDED_TARGET";

impl Task {
    pub(crate) fn expand(&self) -> TokenStream {
        let (function, beside) = (self.function(), self.beside());
        quote!(#function #beside)
    }

    /// The items beside the function.
    pub(crate) fn beside(&self) -> TokenStream {
        let companion = self.companion();
        let stub = self.stub();
        let guest = self.guest();
        quote!(#companion #stub #guest)
    }

    /// The function as it was written.
    fn function(&self) -> TokenStream {
        let function = &self.function;
        quote! {
            #[allow(dead_code, reason = "a task may have callers on other hosts only")]
            #function
        }
    }

    /// The type that has `on`. It is a struct with braces, so its name does not clash with that of
    /// the function, which is a value.
    fn companion(&self) -> TokenStream {
        let (cfgs, visibility, ident) = (self.cfgs(), &self.function.vis, &self.function.sig.ident);
        let summary = format!("The task [`{ident}`](fn@{ident}), to be called on other hosts.");
        quote! {
            #(#cfgs)*
            #[doc = #summary]
            #[allow(
                non_camel_case_types, missing_debug_implementations, dead_code,
                reason = "it has the function's name and is never constructed"
            )]
            #visibility struct #ident {}
        }
    }

    /// The function `on`, which returns the typed call.
    fn stub(&self) -> TokenStream {
        let (cfgs, krate) = (self.cfgs(), &self.krate);
        let (visibility, ident, name) = (&self.function.vis, &self.function.sig.ident, self.name());
        let (value, error, here) = (self.value(), self.error(), at(self.returns.ty()));
        let parameters = self
            .parameters
            .iter()
            .map(|Parameter { ident, ty, .. }| quote!(#ident: #ty));
        let pushes = self.parameters.iter().map(Parameter::push);
        let count = self.parameters.len();
        let (target, arguments, task) = (local("target"), local("arguments"), local("task"));
        let call = quote_spanned!(here=> WxecTarget::Call<#value, #error>);
        let is_stream = self.is_stream();
        let result = quote_spanned! {here=>
            #krate::__private::call::<_, #value, _, #is_stream>(
                #target, #task, #arguments.finish(), #krate::__private::decode_error!(#error),
            )
        };
        let prepared = self.plan.as_ref().map(|plan| &plan.prepared);
        let (embedded, grants, plan) = (embedded_module(), self.grants(), self.planned());
        let summary = format!("Calls [`{ident}`](fn@{ident}) on a host, or on each of a fleet.");
        let about = self.doc.split("\n\n").next().unwrap_or_default();
        quote! {
            #(#cfgs)*
            impl #ident {
                #[doc = #summary]
                ///
                #[doc = #about]
                #[allow(dead_code, reason = "a task may be called by others only")]
                #visibility fn on<WxecTarget: #krate::call::CallTarget>(
                    #target: &WxecTarget,
                    #(#parameters),*
                ) -> #call {
                    let mut #arguments = #krate::__private::Arguments::new(#count);
                    #prepared
                    #(#pushes)*
                    let #task = #krate::__private::Task {
                        origin: #krate::__private::origin!(#embedded),
                        function: ::core::concat!(::core::module_path!(), "::", #name),
                        grants: #grants,
                        plan: #plan,
                    };
                    #result
                }
            }
        }
    }

    /// In the stub: a function that returns the grants of the call, as the task declares them.
    fn grants(&self) -> TokenStream {
        let (wants, krate) = (&self.wants, &self.krate);
        let named = wants
            .named()
            .flat_map(|(key, names)| names.iter().map(move |name| (key, name)));
        let methods = named.map(|(key, name)| (Ident::new(key, Span::call_site()), name));
        let adds = methods.map(|(method, name)| quote!(.#method(#name)));
        let flags = wants.flags();
        let flags = flags.map(|flag| Ident::new(flag, Span::call_site()));
        if wants.is_none() {
            quote!(#krate::Grants::none)
        } else {
            quote!(|| #krate::Grants::none() #(#adds)* #(.#flags())*)
        }
    }

    /// In the stub: what the order of a plan says about its call.
    fn planned(&self) -> TokenStream {
        let krate = &self.krate;
        match &self.plan {
            Some(Plan {
                order,
                timeout,
                cuts_link,
                ..
            }) => quote! {
                ::core::option::Option::Some(#krate::__private::Planned {
                    preview: #order.preview,
                    record: #order.record,
                    cuts_link: #cuts_link,
                    timeout: ::core::option::Option::Some(#timeout),
                })
            },
            None => quote!(::core::option::Option::None),
        }
    }

    /// The export and its record. They share one block, so that they share a codegen unit: the
    /// linker would drop a record in another unit, because nothing refers to it.
    fn guest(&self) -> TokenStream {
        let (cfgs, name, krate) = (self.cfgs(), self.name(), &self.krate);
        let body = self.body();
        let parts = record::function(self);
        quote! {
            #(#cfgs)*
            #[cfg(target_family = "wasm")]
            #[allow(deprecated, reason = "callers are to be warned, not this")]
            const _: () = {
                #[unsafe(export_name = ::core::concat!("wx1_", ::core::module_path!(), "::", #name))]
                extern "C" fn __wxec_export() -> i32 {
                    #krate::__private::run(#body)
                }

                const __WXEC_FUNCTION: &[&[u8]] = &[#(#parts),*];

                #[used]
                #[unsafe(link_section = "wxec.fn.v1")]
                static __WXEC_RECORD: [u8; #krate::__private::record_length(::core::module_path!(), __WXEC_FUNCTION)] =
                    #krate::__private::record(::core::module_path!(), __WXEC_FUNCTION);
            };
        }
    }

    /// A closure that takes the arguments, calls the function, and encodes its return value.
    fn body(&self) -> TokenStream {
        let (ident, krate) = (&self.function.sig.ident, &self.krate);
        let (input, arguments) = (local("input"), local("arguments"));
        let names = self.parameters.iter().map(|Parameter { ident, ty, .. }| {
            let (name, type_name) = (ident.unraw().to_string(), record::spelled(ty));
            quote!((#name, #type_name))
        });
        let takes = self
            .parameters
            .iter()
            .map(|parameter| parameter.take(krate));
        let gives = self.parameters.iter().map(Parameter::give);

        let called = match &self.plan {
            Some(plan) => plan.called.clone(),
            None => quote!(#ident),
        };
        let mut result = quote!(#called(#(#gives),*));
        if self.function.sig.asyncness.is_some() {
            result = quote!(#krate::__private::block_on(#result));
        }
        let (value, error, here) = (self.value(), self.error(), at(self.returns.ty()));
        let (returned, is_stream) = (self.returned(), self.is_stream());
        let output = quote_spanned! {here=>
            #krate::__private::answer::<#value, _, #is_stream>(
                #returned::into_result(#result),
                #krate::__private::describe_error!(#error),
            )
        };
        quote! {
            |#input| {
                let mut #arguments = #krate::__private::Input::split(#input, &[#(#names),*])?;
                #(#takes)*
                ::core::mem::drop(#arguments);
                #output
            }
        }
    }

    /// The type of the value.
    fn value(&self) -> TokenStream {
        match &self.returns {
            Returns::Value(ty) => quote!(#ty),
            Returns::Named(ty) => {
                let returned = self.returned();
                quote_spanned!(at(ty)=> #returned::Value)
            }
        }
    }

    /// The type of the error.
    fn error(&self) -> TokenStream {
        match &self.returns {
            Returns::Value(_) => quote!(::core::convert::Infallible),
            Returns::Named(ty) => {
                let returned = self.returned();
                quote_spanned!(at(ty)=> #returned::Error)
            }
        }
    }

    /// The trait that splits the function's return value, as a path.
    fn returned(&self) -> TokenStream {
        let (ty, is_result, krate) = (self.returns.ty(), self.is_result(), &self.krate);
        quote_spanned!(at(ty)=> <#ty as #krate::__private::Returned<{ #is_result }>>)
    }

    /// An expression that is true if the function returns a `Result`.
    pub(crate) fn is_result(&self) -> TokenStream {
        let krate = &self.krate;
        match &self.returns {
            Returns::Value(_) => quote!(false),
            Returns::Named(ty) => quote_spanned!(at(ty)=> #krate::__private::is!(IS_RESULT #ty)),
        }
    }

    /// An expression that is true if the value is a stream.
    pub(crate) fn is_stream(&self) -> TokenStream {
        let krate = &self.krate;
        match &self.returns {
            Returns::Value(_) => quote!(false),
            Returns::Named(ty) => {
                let value = self.value();
                quote_spanned!(at(ty)=> { #krate::__private::is!(IS_RECEIVER #value) })
            }
        }
    }

    /// The `cfg` attributes of the function: all items have them, so that they are compiled only
    /// with the function.
    pub(crate) fn cfgs(&self) -> Vec<&Attribute> {
        self.function
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .collect()
    }
}

impl Parameter {
    /// In the stub: adds the argument to those of the call.
    fn push(&self) -> TokenStream {
        let (arguments, ident, sent) = (local("arguments"), &self.ident, &self.sent);
        match self.passing {
            Passing::Owned => quote_spanned!(at(sent)=> #arguments.push::<#sent>(&#ident);),
            Passing::Lent => quote_spanned!(at(sent)=> #arguments.push::<#sent>(#ident);),
            Passing::LentBytes => quote!(#arguments.push_bytes(#ident);),
        }
    }

    /// In the guest: takes the argument from those of the call.
    fn take(&self, krate: &Path) -> TokenStream {
        let (arguments, variable, sent) = (local("arguments"), self.variable(), &self.sent);
        match self.passing {
            Passing::Owned | Passing::Lent => {
                quote_spanned!(at(sent)=> let #variable = #arguments.take::<#sent>()?;)
            }
            Passing::LentBytes => quote!(let #variable = #arguments.take::<#krate::Bytes>()?;),
        }
    }

    /// In the guest: the argument in the form that the function takes.
    fn give(&self) -> TokenStream {
        let variable = self.variable();
        match self.passing {
            Passing::Owned => quote!(#variable),
            Passing::Lent | Passing::LentBytes => quote!(&#variable),
        }
    }

    fn variable(&self) -> Ident {
        local(&format!("given_{}", self.ident.unraw()))
    }
}

/// The span of generated code at the place of a type: errors point there, while lints know that the
/// code is generated.
pub(crate) fn at(ty: &Type) -> Span {
    Span::mixed_site().located_at(ty.span())
}

/// A variable of the generated code.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Includes the module in the program, if `build.rs` compiled one from the very target that is
/// being compiled. A package's library, programs and tests are all compiled with the same
/// `build.rs`, and the module holds only one of them.
fn embedded_module() -> TokenStream {
    let kind = if env::var_os("CARGO_BIN_NAME").is_some() {
        "bin"
    } else {
        "lib"
    };
    let target = env::var("CARGO_CRATE_NAME").map(|name| format!("{kind}:{name}"));
    if env::var_os(EMBEDDED_MODULE).is_some() && env::var(EMBEDDED_TARGET) == target {
        quote!(::core::option::Option::Some(::core::include_bytes!(
            ::core::env!(#EMBEDDED_MODULE)
        )))
    } else {
        quote!(::core::option::Option::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surroundings::Surroundings;

    #[test]
    fn all_paths_lead_to_the_crate_that_is_named() {
        let task = quote! {
            /// Does it.
            async fn task(bytes: &[u8], sender: Sender<u8>) -> Outcome<u8> {}
        };
        for (arguments, is_far) in [
            (quote!(crate = far, read = "/x"), true),
            (quote!(read = "/x"), false),
        ] {
            let expanded = Task::parse(arguments, task.clone(), &Surroundings::default())
                .unwrap()
                .expand()
                .to_string();
            assert_eq!(expanded.contains(":: wxec ::"), !is_far, "{expanded}");
            assert_eq!(expanded.contains("far :: __private"), is_far, "{expanded}");
        }
    }
}
