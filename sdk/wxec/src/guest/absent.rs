//! Stand-ins for names of the controlling side. There are no values of these types.

/// Makes stand-ins for names of the controlling side.
macro_rules! controlling {
    ($($($from:ident)::+ {
        types: $($type:ident)*;
        functions: $($function:ident)*;
        constants: $($constant:ident)*;
    })*) => {$(
        $(
            #[doc = concat!("Stands in for `", stringify!($type), "` of the controlling side.")]
            #[derive(Debug)]
            pub enum $type {}
        )*
        $(
            #[doc = concat!("Stands in for `", stringify!($function), "` of the controlling side.")]
            pub fn $function() {}
        )*
        $(
            #[doc = concat!("Stands in for `", stringify!($constant), "` of the controlling side.")]
            pub const $constant: () = ();
        )*
    )*};
}
