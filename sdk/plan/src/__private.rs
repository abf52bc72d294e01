//! Items that the output of `#[plan]` names. Other code must not use them: they change without
//! notice.

pub use wxec;

#[cfg(not(target_family = "wasm"))]
pub use crate::{apply::OfPlan, crash::crash_at};
#[cfg(target_family = "wasm")]
pub use config::answer_config;

#[cfg(target_family = "wasm")]
mod config {
    use serde::{Serialize, Serializer, de::DeserializeOwned};
    use wxec::{
        __private::{Input, run, value},
        cbor,
    };

    use crate::{order::Order, secret::exposing, trace};

    /// CBOR of a list without items.
    const NO_ARGUMENTS: [u8; 1] = [0x80];

    /// The body of the function beside a plan that takes its config: in an order, whose type the
    /// module has anyway.
    pub fn answer_config<C: Serialize + DeserializeOwned + 'static>() -> i32 {
        run(|input| {
            let (_, start) = cbor::form(&input);
            if input[start..] == NO_ARGUMENTS {
                return value(trace::trace::<C>());
            }
            let mut arguments = Input::split(input, &[("order", "the settings")])?;
            value(Exposed(arguments.take::<Order<C>>()?.config))
        })
    }

    /// A config on its way back to the one who has sent it, with its secrets.
    struct Exposed<C>(C);

    impl<C: Serialize> Serialize for Exposed<C> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            exposing(|| self.0.serialize(serializer))
        }
    }
}
