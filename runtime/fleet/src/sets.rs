//! Sets of hosts, by their names.

use std::{
    collections::HashSet,
    ops::{BitAnd, BitOr, BitXor, Sub},
};

use crate::fleet::Fleet;

impl Fleet {
    /// Returns the hosts of this fleet that `other` has, or has not.
    fn within(&self, other: &Self, wanted: bool) -> Self {
        let names: HashSet<_> = other.hosts().iter().map(|host| host.name()).collect();
        let hosts = self.hosts().iter();
        self.with_hosts(
            hosts
                .filter(|host| names.contains(host.name()) == wanted)
                .cloned(),
        )
    }

    /// Returns the hosts of this fleet, then those of `other`.
    fn joined(&self, other: &Self) -> Self {
        let more = other.within(self, false);
        self.with_hosts(self.hosts().iter().chain(more.hosts()).cloned())
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident: $doc:literal, |$left:ident, $right:ident| $result:expr;)*) => {
        $(
            #[doc = $doc]
            impl $operator for &Fleet {
                type Output = Fleet;

                fn $method(self, right: Self) -> Fleet {
                    let ($left, $right) = (self, right);
                    $result
                }
            }

            #[doc = $doc]
            impl $operator for Fleet {
                type Output = Self;

                fn $method(self, right: Self) -> Self {
                    $operator::$method(&self, &right)
                }
            }
        )*
    };
}

operators! {
    BitOr bitor: "The hosts of either fleet.", |left, right| left.joined(right);
    BitAnd bitand: "The hosts that both fleets have.", |left, right| left.within(right, true);
    Sub sub: "The hosts that only the fleet on the left has.", |left, right| left.within(right, false);
    BitXor bitxor: "The hosts that only one of the fleets has.",
        |left, right| left.within(right, false).joined(&right.within(left, false));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fleets_are_sets_of_names() {
        let web = Fleet::new(["web1", "web2", "both"])
            .unwrap()
            .max_parallel(7);
        let db = Fleet::new(["both", "ssh:db1"]).unwrap();
        let names = |fleet: Fleet| {
            assert!(format!("{fleet:?}").contains("max_parallel: 7"));
            let names: Vec<_> = fleet
                .hosts()
                .iter()
                .map(|host| host.name().to_owned())
                .collect();
            names.join(" ")
        };
        assert_eq!(names(&web | &db), "web1 web2 both db1");
        assert_eq!(names(&web & &db), "both");
        assert_eq!(names(&web - &db), "web1 web2");
        assert_eq!(names(web.clone() ^ db.clone()), "web1 web2 db1");
        assert_eq!(names(web - (db.clone() | db)), "web1 web2");
    }
}
