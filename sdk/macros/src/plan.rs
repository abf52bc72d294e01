//! `#[plan]`: a function that sets up the host it runs on. The function gets its steps below its
//! own name, and beside it stands a task that takes orders for it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{FnArg, ItemFn, Meta, Pat, Path, ReturnType, Type, parse_quote};

use crate::{
    complaints::Complaints,
    expand::at,
    record::template_text,
    signature::{Parameter, Passing, Returns, Task, doc, free_function, made_doc, parameter},
    surroundings::Surroundings,
    types::bare,
    wants::{Attribute, Wants, managed},
    words::add_words,
};

/// `#[plan]`.
const PLAN: Attribute = Attribute {
    name: "plan",
    krate: "wxec-plan",
    own_keys: "`modes`, `roles` or `templates` of the plan, what it is to `manage`, or that it `cuts_link`; ",
};

/// The mode of a plan that lists none.
const DEFAULT_MODE: &str = "install";

/// The task of a plan, as far as it differs from others.
pub(crate) struct Plan {
    pub(crate) modes: Vec<String>,
    pub(crate) roles: Vec<String>,
    /// The parameter with the order.
    pub(crate) order: Ident,
    /// The expression that the task calls with the order.
    pub(crate) called: TokenStream,
    /// The names of its templates.
    pub(crate) templates: Vec<String>,
    /// True if it may cut its own connection.
    pub(crate) cuts_link: bool,
    /// In the stub: what is done to the order before it is sent.
    pub(crate) prepared: TokenStream,
    /// In the stub: the time that the call may take.
    pub(crate) timeout: TokenStream,
}

/// A function marked `#[plan]`.
struct PlanFunction {
    function: ItemFn,
    modes: Vec<String>,
    roles: Vec<String>,
    templates: Vec<String>,
    cuts_link: bool,
    wants: Wants,
    run: Ident,
    config: Option<Parameter>,
    /// The crate `wxec-plan`, by its name in the user's crate.
    krate: Path,
}

pub(crate) fn expand(
    arguments: TokenStream,
    item: TokenStream,
    surroundings: &Surroundings,
) -> syn::Result<TokenStream> {
    let plan = PlanFunction::parse(arguments, item, surroundings)?;
    let (function, config) = (plan.function(), plan.config_export());
    let apply = plan.apply();
    let task = plan.into_task();
    let (cfgs, beside) = (task.cfgs(), task.beside());
    Ok(quote!(#function #beside #(#cfgs)* #config #(#cfgs)* #apply))
}

impl PlanFunction {
    fn parse(
        arguments: TokenStream,
        item: TokenStream,
        surroundings: &Surroundings,
    ) -> syn::Result<Self> {
        let mut complaints = Complaints::default();
        let (mut modes, mut roles) = (Vec::new(), Vec::new());
        let (mut templates, mut manages) = (Vec::new(), Vec::new());
        let mut cuts_link = false;
        let own = |key: &Meta, complaints: &mut Complaints| {
            if key.path().is_ident("manage") {
                manages.extend(managed(key, complaints));
                return true;
            }
            if matches!(key, Meta::Path(path) if path.is_ident("cuts_link")) {
                cuts_link = true;
                return true;
            }
            let (name, list) = match () {
                () if key.path().is_ident("modes") => ("modes", &mut modes),
                () if key.path().is_ident("roles") => ("roles", &mut roles),
                () if key.path().is_ident("templates") => ("templates", &mut templates),
                () => return false,
            };
            add_words(key, name, list, complaints);
            true
        };
        let (mut wants, krate) = Wants::parse(&PLAN, arguments, own, &mut complaints);
        for topic in &manages {
            cuts_link |= wants.manage(topic);
        }
        if modes.is_empty() {
            modes.push(DEFAULT_MODE.to_owned());
        }

        let function = free_function(&PLAN, item, surroundings, &mut complaints)?;
        check_signature(&function, &mut complaints);
        let mut inputs = function.sig.inputs.iter();
        let run = inputs.next().and_then(|input| run(input, &mut complaints));
        let config = inputs
            .next()
            .and_then(|input| parameter(input, &mut complaints));
        let run = run.unwrap_or_else(|| Ident::new("run", Span::call_site()));
        complaints.into_result(Self {
            modes,
            roles,
            templates,
            cuts_link,
            wants,
            run,
            config,
            krate: krate.unwrap_or_else(|| parse_quote!(::wxec_plan)),
            function,
        })
    }

    fn name(&self) -> String {
        use syn::ext::IdentExt;

        self.function.sig.ident.unraw().to_string()
    }

    /// The function as it was written, with its steps below its name.
    fn function(&self) -> TokenStream {
        let (name, modes, krate, run) = (self.name(), &self.modes, &self.krate, &self.run);
        let mut outer = self.function.clone();
        for input in &mut outer.sig.inputs {
            if let FnArg::Typed(typed) = input
                && let Pat::Ident(named) = &mut *typed.pat
            {
                named.mutability = None;
            }
        }
        let mut body = self.function.clone();
        body.attrs.clear();
        body.vis = syn::Visibility::Inherited;
        body.sig.ident = Ident::new("__wxec_body", Span::call_site());
        let config = self.config.iter().map(|config| &config.ident);
        outer.block = parse_quote!({
            #body
            #krate::Run::plan::<()>(#run, #name, &[#(#modes),*], |#run| __wxec_body(#run, #(#config)*))
        });
        quote! {
            #[allow(dead_code, reason = "a plan may have callers on other hosts only")]
            #outer
        }
    }

    /// The export that takes the plan's config, for those who want to know what it has to be like.
    fn config_export(&self) -> TokenStream {
        let (krate, name) = (&self.krate, self.name());
        let config = match &self.config {
            None => quote!(()),
            Some(config) => config.sent.to_token_stream(),
        };
        quote! {
            #[cfg(target_family = "wasm")]
            #[allow(deprecated, reason = "callers are to be warned, not this")]
            const _: () = {
                #[unsafe(export_name = ::core::concat!("wx1__config::", ::core::module_path!(), "::", #name))]
                extern "C" fn __wxec_config() -> i32 {
                    #krate::__private::answer_config::<#config>()
                }
            };
        }
    }

    /// The function `apply` of the companion, for callers.
    fn apply(&self) -> TokenStream {
        let (krate, name, modes) = (&self.krate, self.name(), &self.modes);
        let (visibility, ident) = (&self.function.vis, &self.function.sig.ident);
        let config = match &self.config {
            None => quote!(()),
            Some(config) => config.sent.to_token_stream(),
        };
        let templates = texts(&self.templates);
        let summary = format!(
            "Applies [`{ident}`](fn@{ident}) to the hosts of a fleet, with the settings of each."
        );
        quote! {
            #[cfg(not(target_family = "wasm"))]
            impl #ident {
                #[doc = #summary]
                #[allow(dead_code, reason = "a plan may be ordered by others only")]
                #visibility fn apply(fleet: &#krate::__private::wxec::Fleet) -> #krate::Apply<#config> {
                    #krate::Apply::new(fleet, #krate::__private::OfPlan {
                        name: #name,
                        modes: &[#(#modes),*],
                        templates: &[#(#templates),*],
                        order: |host, order| Self::on(host, order),
                    })
                }
            }
        }
    }

    /// The task that takes orders for the plan.
    fn into_task(self) -> Task {
        let (krate, called, order) = (&self.krate, self.called(), self.order());
        let mut function = self.function.clone();
        function.sig.inputs = parse_quote!(order: #order);
        let ident = Ident::new("order", Span::mixed_site());
        Task {
            doc: doc(&function.attrs),
            made_doc: made_doc(&function.attrs),
            parameters: vec![Parameter {
                ident: ident.clone(),
                ty: order.clone(),
                sent: order,
                passing: Passing::Owned,
            }],
            returns: Returns::Named(
                parse_quote!(::core::result::Result<#krate::Report, #krate::PlanFault>),
            ),
            wants: self.wants,
            krate: parse_quote!(#krate::__private::wxec),
            plan: Some(Plan {
                modes: self.modes,
                roles: self.roles,
                prepared: prepared(krate, &ident, &self.templates),
                timeout: quote!(#krate::PLAN_TIMEOUT),
                order: ident,
                called,
                templates: self.templates,
                cuts_link: self.cuts_link,
            }),
            function,
        }
    }

    /// The type of the order.
    fn order(&self) -> Type {
        let krate = &self.krate;
        match &self.config {
            None => parse_quote!(#krate::Order<()>),
            Some(config) => {
                let (sent, here) = (&config.sent, at(&config.sent));
                // Errors about the order point to the config's type.
                let krate = spanned(krate, here);
                Type::Verbatim(quote_spanned!(here=> #krate::Order<#sent>))
            }
        }
    }

    /// A closure that carries out an order.
    fn called(&self) -> TokenStream {
        let (ident, order) = (&self.function.sig.ident, self.order());
        let call = match &self.config {
            None => quote!(|run, ()| #ident(run)),
            Some(Parameter {
                passing: Passing::Owned,
                ..
            }) => quote!(#ident),
            Some(_) => quote!(|run, config| #ident(run, &config)),
        };
        let waits = self.cuts_link.then(|| quote!(.cuts_link()));
        quote!((|order: #order| order #waits.carry_out(#call)))
    }
}

/// Returns what gives an order the texts of templates. They are no part of a module's code: a guest
/// renders none.
fn prepared(krate: &Path, order: &Ident, templates: &[String]) -> TokenStream {
    if templates.is_empty() {
        return TokenStream::new();
    }
    let texts = texts(templates);
    quote! {
        #[cfg(not(target_family = "wasm"))]
        let #order = #krate::Order::of_plan(#order, &[#(#texts),*]);
    }
}

/// Returns the names and the texts of templates.
fn texts(templates: &[String]) -> impl Iterator<Item = TokenStream> {
    templates.iter().map(|name| {
        let text = template_text(name);
        quote!((#name, #text))
    })
}

fn spanned(path: &Path, span: Span) -> TokenStream {
    let tokens = path.to_token_stream().into_iter();
    let tokens = tokens.map(|mut token| {
        token.set_span(span);
        token
    });
    tokens.collect()
}

/// Complains about functions that cannot be plans.
fn check_signature(function: &ItemFn, complaints: &mut Complaints) {
    let signature = &function.sig;
    const SHAPE: &str = "write it as `fn web(run: &mut Run, config: Web) -> Result<(), Fault>`";
    if let Some(asyncness) = signature.asyncness {
        let help = "leave `async` away: its steps are taken one after the other";
        complaints.add(asyncness, "a plan cannot be `async`", help);
    }
    if signature.inputs.is_empty() {
        complaints.add(
            &signature.ident,
            "a plan takes the run that it is a part of",
            SHAPE,
        );
    }
    for more in signature.inputs.iter().skip(2) {
        let help = "make one type of all that configures the plan";
        complaints.add(more, "a plan takes the run and one config", help);
    }
    if let ReturnType::Default = signature.output {
        complaints.add(&signature.ident, "a plan returns whether it failed", SHAPE);
    }
}

/// Reads the first parameter.
fn run(input: &FnArg, complaints: &mut Complaints) -> Option<Ident> {
    let help = "begin the parameters with `run: &mut Run`";
    if let FnArg::Typed(typed) = input
        && let Type::Reference(reference) = bare(&typed.ty)
        && reference.mutability.is_some()
    {
        if let Pat::Ident(named) = &*typed.pat {
            return Some(named.ident.clone());
        }
        complaints.add(&typed.pat, "the run of a plan needs a name", help);
        return None;
    }
    complaints.add(
        input.to_token_stream(),
        "a plan takes the run that it is a part of, to change it",
        help,
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: TokenStream) -> String {
        let item = quote! {
            /// Sets it up.
            fn web(run: &mut Run, mut config: Web) -> Result<(), Fault> {}
        };
        expand(arguments, item, &Surroundings::default())
            .unwrap()
            .to_string()
    }

    #[test]
    fn all_paths_lead_to_the_crate_that_is_named() {
        for (arguments, is_far) in [
            (quote!(crate = far, read = "/x", modes = "*"), true),
            (quote!(write = "/x"), false),
        ] {
            let expanded = expanded(arguments).replace("__private :: wxec ::", "__private ::");
            assert_eq!(expanded.contains(":: wxec_plan ::"), !is_far, "{expanded}");
            assert_eq!(expanded.contains("far :: __private"), is_far, "{expanded}");
            assert!(!expanded.contains(":: wxec ::"), "{expanded}");
        }
    }

    #[test]
    fn an_order_for_a_preview_makes_the_call_one() {
        let expanded = expanded(quote!(write = "/b"));
        assert!(expanded.contains("preview : order . preview"), "{expanded}");
    }
}
