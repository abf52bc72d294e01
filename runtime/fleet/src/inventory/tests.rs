//! Inventories as people write them, and targets against a naive model.

use std::{collections::BTreeSet, path::Path};

use proptest::prelude::*;
use wxec_controller::Value;

use super::*;

const INVENTORY: &str = r#"
[all]
vars = { port = 80, admin = "root" }
limits = { timeout = "5m" }

[groups]
web = ["web[1-3]"]
eu = ["web1", "db*", "@edge"]

[groups.edge]
members = ["relay"]
roles = ["entry"]

[groups.rack]
members = ["@web", "relay"]
via = "relay"
vars = { port = 8080, names = ["a", "b"] }

[hosts]
"web[1-3]" = { roles = ["web"] }
db1 = { address = "deploy@10.0.0.9:2222", become = "postgres", limits = { memory = "1GiB" } }
relay = { address = "{host}.example.org", cache_agent = true, connect_timeout = "5s" }

[hosts.web4]
address = 'exec:["chroot","/srv,a&b"]'
roles = ["web"]
vars.port = 90
"#;

fn toml(text: &str) -> Result<Inventory, String> {
    Inventory::of(Path::new("wxec.toml"), Source::Toml(text.into()))
        .map_err(|error| error.to_string())
}

fn json(text: &str) -> Result<Inventory, String> {
    Inventory::of(Path::new("./list"), Source::Json(text.into())).map_err(|error| error.to_string())
}

fn names(inventory: &Inventory, target: &str) -> Result<Vec<String>, String> {
    let fleet = inventory
        .select(target)
        .map_err(|error| match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        })?;
    Ok(fleet
        .hosts()
        .iter()
        .map(|host| host.name().to_owned())
        .collect())
}

#[test]
fn hosts_have_what_all_layers_say() {
    let inventory = toml(INVENTORY).unwrap();
    let all: Vec<_> = inventory.hosts().iter().map(InventoryHost::name).collect();
    assert_eq!(all, ["web1", "web2", "web3", "db1", "relay", "web4"]);
    let web1 = inventory.host("web1").unwrap();
    assert_eq!(web1.groups(), ["web", "eu", "rack"]);
    assert_eq!(web1.roles(), ["web"]);
    let port = &web1.variables()["port"];
    assert_eq!(port.value.deserialized::<u16>().unwrap(), 8080);
    assert_eq!(
        (port.layer.to_string(), port.line),
        ("group rack".into(), Some(17))
    );
    assert_eq!(web1.variables()["admin"].layer, Layer::All);
    assert_eq!(
        web1.variables()["names"].value,
        Value::Array(vec!["a".into(), "b".into()])
    );
    assert_eq!(inventory.host("relay").unwrap().roles(), ["entry"]);
    let own = &inventory.host("web4").unwrap().variables()["port"];
    assert_eq!((&own.layer, own.line), (&Layer::Host, Some(27)));
}

#[test]
fn roles_have_settings_of_the_rank_of_groups() {
    let inventory = |more: &str| {
        toml(&format!(
            "all.vars = {{ a = 0, b = 0, c = 0 }}\nroles.front = {{ vars = {{ a = 1, b = 1 }}, limits = {{ timeout = '9s' }} }}\n\
             groups.web = {{ members = ['web1'], roles = ['front'] }}\nhosts.web1.vars.b = 2\n{more}"
        ))
    };
    let web1 = inventory("").unwrap();
    let web1 = web1.host("web1").unwrap();
    let from = |name: &str| web1.variables()[name].layer.to_string();
    assert_eq!(
        [from("a"), from("b"), from("c")],
        ["role front", "host", "all"]
    );
    assert_eq!(
        web1.options()["limits.timeout"].layer,
        Layer::Role("front".into())
    );

    let differs = inventory("groups.shop = { members = ['web1'], vars.a = 3 }").unwrap_err();
    assert!(
        differs.contains("`a` differs between @shop (line 5) and @role:front (line 2)"),
        "{differs}"
    );
    let nobody = inventory("roles.fornt.vars.a = 1").unwrap_err();
    assert!(
        nobody.contains("5: roles.fornt: no host has this role; did you mean `front`?"),
        "{nobody}"
    );
    let circle = inventory("roles.back = { roles = ['front'] }\nhosts.web2.roles = ['back']");
    assert!(circle.unwrap_err().contains("a role has no roles"));
}

#[test]
fn tables_are_merged_value_by_value() {
    let inventory = toml(
        "all.vars.web = { port = 80, tls = { on = false }, names = ['a'], old = 1 }\n\
         groups.shop = { members = ['web1', 'web2'], vars.web = { port = 81, tls = { on = true, key = 'k' } } }\n\
         [hosts]\n\
         web1.vars = { web = { names = ['b'], old = {} }, 'a.b' = { c = 1 } }\n\
         web2.vars.web = 'none'",
    );
    let inventory = inventory.unwrap();
    let said = |host: &str| {
        let settings = inventory.host(host).unwrap().variables().iter();
        let said = settings.map(|(name, setting)| {
            let line = setting.line.unwrap();
            format!(
                "{name} {line}: {}",
                serde_json::to_string(&setting.value).unwrap()
            )
        });
        said.collect::<Vec<_>>()
    };
    assert_eq!(
        said("web1"),
        [
            r#""a.b".c 4: 1"#,
            r#"web.names 4: ["b"]"#,
            "web.old 4: {}",
            "web.port 2: 81",
            r#"web.tls.key 2: "k""#,
            "web.tls.on 2: true",
        ]
    );
    assert_eq!(said("web2"), [r#"web 5: "none""#]);
}

#[test]
fn addresses_lead_through_other_hosts_to_other_accounts() {
    let inventory = toml(INVENTORY).unwrap();
    let address = |name| inventory.host(name).unwrap().address().to_string();
    // The relay is in the group that is reached through it.
    assert_eq!(address("relay"), "ssh:relay.example.org");
    assert_eq!(address("web1"), "ssh:relay.example.org/ssh:web1");
    assert_eq!(address("db1"), "ssh:deploy@10.0.0.9:2222/sudo:postgres");
    let far =
        "hosts.a = { via = 'b', become = 'app' }\nhosts.b = { via = 'user@c', become = true }";
    let far = toml(far).unwrap();
    let address = |name| far.host(name).unwrap().address().to_string();
    assert_eq!(address("a"), "ssh:user@c/ssh:b/ssh:a/sudo:app");
    assert_eq!(address("b"), "ssh:user@c/ssh:b/sudo:");
}

#[test]
fn options_reach_the_hosts_that_are_selected() {
    let inventory = toml(INVENTORY).unwrap();
    let selection = inventory.resolve("relay,db1,ssh:relay").unwrap();
    let options: Vec<_> = selection
        .hosts
        .iter()
        .map(|(_, options)| *options)
        .collect();
    assert_eq!(options[0].cache_agent, Some(true));
    assert_eq!(options[0].timeout, Some(std::time::Duration::from_secs(5)));
    assert_eq!(options[1], Connecting::default());
    let limits: Vec<_> = selection
        .hosts()
        .map(|host| host.limits().cloned())
        .collect();
    let db1 = limits[1].clone().unwrap();
    assert_eq!(
        (db1.memory_bytes, db1.deadline_ms),
        (1 << 30, Some(300_000))
    );
    // An address is that address, whatever the inventory says of the name.
    assert_eq!(
        (options[2], limits[2].clone()),
        (Connecting::default(), None)
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"
require_target = "yes"
host = {}

[all]
limits = { memory = "many", disk = 1 }
vars = 3

[groups]
web = ["web1", "wbe2", "@nope", "db*"]
all = []
a = ["@b"]
b = ["@a"]

[hosts.web1]
adress = "10.0.0.1"
become = "docker:web"

[hosts."web[1-2]"]
via = "rely"

[hosts."a b"]
[hosts.x]
via = "y"
[hosts.y]
via = "x"
[hosts.z]
address = "local:"
via = "relay"
[hosts.relay]
"#;
    let expected = "\
wxec.toml has 18 mistakes
wxec.toml:2: require_target: is a text, and has to be true or false
wxec.toml:3: host: unknown key; did you mean `hosts`?
wxec.toml:6: all.limits.memory: write a size such as `64MiB`, `1GiB` or `4096`
wxec.toml:6: all.limits.disk: unknown key; there are timeout, memory, output, fuel, open_files, children
wxec.toml:7: all.vars: is a number, and has to be a table
wxec.toml:10: groups.web: there is no host `wbe2`; did you mean `web2`?
wxec.toml:10: groups.web: there is no group `nope`
wxec.toml:10: groups.web: `db*` adds no host
wxec.toml:11: groups.all: `@all` is the group of all hosts already
wxec.toml:12: groups.a: is a member of itself: @a → @b → @a
wxec.toml:16: hosts.web1.adress: unknown key; did you mean `address`?
wxec.toml:17: hosts.web1.become: has to be true, the name of an account, or `sudo:`, `su:` or `doas:` with one
wxec.toml:19: hosts.\"web[1-2]\": `web1` is declared in line 15 already
wxec.toml:20: hosts.\"web[1-2]\": `via` is no host of this inventory: `rely`; did you mean `relay`?
wxec.toml:22: hosts.\"a b\": a name cannot contain ` `
wxec.toml:24: hosts.x: its `via` leads round in a circle: x → y → x
wxec.toml:26: hosts.y: its `via` leads round in a circle: y → x → y
wxec.toml:29: hosts.z: `ssh:relay/local:` is not a valid address: `local:` can only be the first hop";
    let found = toml(text).unwrap_err();
    assert_eq!(found, expected, "{found}");
}

#[test]
fn one_mistake_is_one_line() {
    assert_eq!(
        toml("[hosts.web1]\nlimit = 3\n").unwrap_err(),
        "wxec.toml:2: hosts.web1.limit: unknown key; did you mean `limits`?"
    );
    assert_eq!(
        json(r#"{"hosts": {"web1": {"vars": {"a": [null]}}}}"#).unwrap_err(),
        "./list: hosts.web1.vars.a: has no value that a variable can hold"
    );
    let error = toml("[hosts\n").unwrap_err();
    assert!(error.starts_with("wxec.toml:1: "), "{error}");
}

#[test]
fn groups_that_disagree_are_told_once() {
    let text = |inner: &str| {
        format!(
            "hosts.'web[1-9]' = {{}}\ngroups.a = {{ members = ['web*'{inner}], vars.port = 1 }}\n\
             groups.b = {{ members = ['web*'], vars.port = 2 }}\n"
        )
    };
    assert_eq!(
        toml(&text("")).unwrap_err(),
        "wxec.toml:1: hosts.\"web[1-9]\": `port` differs between @a (line 2) and @b (line 3), and `web1` is in both; \
         set it for the host, or make one group a member of the other"
    );
    let nested = toml(&text(", '@b'")).unwrap();
    assert_eq!(
        nested.host("web1").unwrap().variables()["port"].layer,
        Layer::Group("b".into())
    );
}

#[test]
fn a_program_prints_the_same_as_json() {
    let printed = json(
        r#"{"groups": {"web": ["web1"]}, "hosts": {"web1": {"vars": {"port": 80}}, "db": {"via": "web1"}}}"#,
    );
    let printed = printed.unwrap();
    assert_eq!(names(&printed, "@all,!@web").unwrap(), ["db"]);
    let port = &printed.host("web1").unwrap().variables()["port"];
    assert_eq!((port.value.clone(), port.line), (80.into(), None));
}

#[test]
fn targets_select_what_they_say() {
    let inventory = toml(INVENTORY).unwrap();
    for (target, expected) in [
        ("db1", "db1"),
        ("db1,web1,db1", "db1 web1"),
        ("web[2-3]", "web2 web3"),
        ("web[3,1]", "web3 web1"),
        ("web*", "web1 web2 web3 web4"),
        ("web?, relay", "web1 web2 web3 web4 relay"),
        ("@eu", "web1 db1 relay"),
        ("@role:web", "web1 web2 web3 web4"),
        ("@web & @eu", "web1"),
        ("@web & !web1", "web2 web3"),
        ("!web1 & @web", "web2 web3"),
        ("@web,!web1,web1", "web2 web3"),
        ("@all,!@rack", "db1 web4"),
        ("relay,@web&!web[1-2]", "relay web3"),
        // Names of hosts differ, because a run's record goes by them.
        ("other,ssh:web1,web1", "other ssh:web1 web1"),
        ("ssh:web1", "ssh:web1"),
        ("ssh:other,other", "other"),
        ("local:,local", "local: ssh:local"),
        (
            r#"exec:["a,]b\"","!&"]/su:x,web1"#,
            r#"exec:["a,]b\"","!&"]/su:x web1"#,
        ),
        ("web1/sudo:app,root@relay", "web1/sudo:app root@relay"),
    ] {
        let found = names(&inventory, target).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(found.join(" "), expected, "{target}");
    }
}

#[test]
fn the_first_hop_of_an_address_may_be_in_the_inventory() {
    let inventory = toml(INVENTORY).unwrap();
    let fleet = inventory
        .select("web1/sudo:app,root@relay:22,db1/ssh:x,ssh:db1/ssh:x,db1:7")
        .unwrap();
    let found: Vec<_> = fleet
        .hosts()
        .iter()
        .map(|host| host.address().to_string())
        .collect();
    assert_eq!(
        found,
        [
            "ssh:relay.example.org/ssh:web1/sudo:app",
            "ssh:root@relay.example.org:22",
            // Without the account to become: the next hop starts from where one logs in.
            "ssh:deploy@10.0.0.9:2222/ssh:x",
            "ssh:db1/ssh:x",
            "ssh:deploy@10.0.0.9:7",
        ]
    );
    let has_limits: Vec<_> = fleet
        .hosts()
        .iter()
        .map(|host| host.limits().is_some())
        .collect();
    assert_eq!(has_limits, [true, true, false, false, true]);
    assert_eq!(
        names(&inventory, "root@web4").unwrap_err(),
        "`root@web4` is no part of a target: its host is reached by exec:[\"chroot\",\"/srv,a&b\"], where no account logs in"
    );
}

#[test]
fn a_target_has_a_limited_length_and_number_of_names() {
    let none = Inventory::default();
    let refused = |target: &str| none.resolve(target).unwrap_err();
    assert_eq!(names(&none, "web[1-20000]").unwrap().len(), 20_000);
    for target in [
        "web[1-20000],db",
        "web[1-20000] & web[1-20000]",
        "web1,!web[1-20000]",
    ] {
        assert_eq!(refused(target), TargetError::TooManyNames { limit: 20_000 });
    }
    let lists = vec!["[1-20000]"; 100_000].join(",");
    assert_eq!(refused(&lists), TargetError::TooManyNames { limit: 20_000 });
    let long = format!("web1,{}", " ".repeat(1 << 20));
    assert_eq!(refused(&long), TargetError::TooLong { limit: 1 << 20 });
    assert_eq!(
        refused(&long).to_string(),
        "the target is longer than 1048576 bytes"
    );
}

#[test]
fn targets_that_select_nothing_are_told() {
    let inventory = toml(INVENTORY).unwrap();
    for (target, message) in [
        (
            "",
            "an address is missing; write `local:`, or `web1,web2` for several hosts",
        ),
        (
            "a,,b",
            "an address is missing; write `local:`, or `web1,web2` for several hosts",
        ),
        (
            "web1 &",
            "an address is missing; write `local:`, or `web1,web2` for several hosts",
        ),
        (
            "@web & db1",
            "`@web & db1` selects no host: `@web` is 3 hosts, `db1` is 1 host",
        ),
        (
            "db1,!@eu",
            "`db1,!@eu` selects no host: `db1` is 1 host, `@eu` is 3 hosts",
        ),
        ("@wbe", "wxec.toml has no group `wbe`; did you mean `@web`?"),
        (
            "@role:wob",
            "wxec.toml has no role `wob`; did you mean `@role:web`?",
        ),
        (
            "@web,!wbe1",
            "wxec.toml has no host `wbe1`; did you mean `web1`?",
        ),
        (
            "@web & !wbe1",
            "wxec.toml has no host `wbe1`; did you mean `web1`?",
        ),
        (
            "@web,!ssh:web1",
            "`ssh:web1` is no part of a target: it takes away a host that no other part has",
        ),
        (
            "@web & wbe1, db1",
            "wxec.toml has no host `wbe1`; did you mean `web1`?",
        ),
        (
            "mail*",
            "`mail*` is no part of a target: it matches none of the 6 hosts of wxec.toml",
        ),
        (
            "!web1",
            "`!web1` is no part of a target: there is nothing to take it from; write `@all,!web1`",
        ),
        (
            "@web,!a&!b",
            "`!a&!b` is no part of a target: it only takes away; put commas between such parts",
        ),
        (
            "@web,!ssh:x",
            "`ssh:x` is no part of a target: it takes away a host that no other part has",
        ),
        (
            "web[1-",
            "`web[1-` is no part of a target: there is no `]` after its `[`",
        ),
        (
            "a b",
            "`a b` is not a valid address: a host name cannot contain ` `; write `ssh:[user@]host[:port]`",
        ),
    ] {
        assert_eq!(names(&inventory, target).unwrap_err(), message, "{target}");
    }
}

#[test]
fn names_of_ssh_need_no_inventory() {
    let none = Inventory::default();
    assert_eq!(
        names(
            &none,
            "web1, deploy@web2:22,ssh:[::1]:22,web[3-4],!web3,web1"
        )
        .unwrap(),
        ["web1", "deploy@web2:22", "[::1]:22", "web4"]
    );
    assert_eq!(
        names(&none, "web[1-3] & !web2 & web[2-3]").unwrap(),
        ["web3"]
    );
    assert_eq!(
        names(&none, "web[1-3] & !wbe2").unwrap_err(),
        "`wbe2` is no part of a target: it takes away a host that no other part has"
    );
    assert_eq!(none.resolve("web1").unwrap().strangers().count(), 0);
    for target in ["@web", "web*", "@all", "@role:x", "web1,!web?"] {
        let error = names(&none, target).unwrap_err();
        assert!(
            error.contains("needs an inventory, and there is none; write a `wxec.toml`"),
            "{error}"
        );
    }
}

#[test]
fn strangers_are_told_from_known_hosts() {
    let inventory = toml(INVENTORY).unwrap();
    let selection = inventory
        .resolve("wbe1,web1,mail.example.org,ssh:x")
        .unwrap();
    assert_eq!(
        selection.strangers().collect::<Vec<_>>(),
        [("wbe1", Some("web1")), ("mail.example.org", None)]
    );
}

#[test]
fn a_careful_inventory_wants_targets_that_are_meant() {
    let inventory = toml(&format!("require_target = true\n{INVENTORY}")).unwrap();
    for target in ["@all", "*", "web1,**", "@web,@all"] {
        let error = names(&inventory, target).unwrap_err();
        assert!(
            error.contains("is all hosts, and wxec.toml has `require_target`"),
            "{error}"
        );
    }
    assert_eq!(names(&inventory, "@all & @web").unwrap().len(), 3);
    assert_eq!(names(&inventory, "@all,!@web").unwrap().len(), 3);
    assert_eq!(
        names(&inventory, "web9").unwrap_err(),
        "wxec.toml has no host `web9`; did you mean `web1`?"
    );
    assert!(names(&inventory, "ssh:web9").is_ok());
}

/// A word over the hosts of [`MODEL`], and the numbers of its hosts.
fn words() -> Vec<(&'static str, BTreeSet<usize>)> {
    let all = [
        ("h1", &[1][..]),
        ("h[2-4]", &[2, 3, 4]),
        ("*", &[1, 2, 3, 4, 5, 6]),
        ("h?", &[1, 2, 3, 4, 5, 6]),
        ("@a", &[1, 2]),
        ("@b", &[1, 2, 3, 6]),
        ("@none", &[]),
        ("@all", &[1, 2, 3, 4, 5, 6]),
        ("@role:r", &[4, 6]),
    ];
    all.map(|(word, hosts)| (word, hosts.iter().copied().collect()))
        .into()
}

const MODEL: &str = "
groups.a = ['h[1-2]']
groups.b = ['@a', 'h3', 'h6']
groups.none = []
hosts = { 'h[1-3]' = {}, h4 = { roles = ['r'] }, h5 = {}, h6 = { roles = ['r'] } }
";

/// A part: factors, each negated or not, with its word's position.
type ModelPart = Vec<(bool, usize)>;

/// Returns the hosts of a target, from what is true of each host by itself.
fn naively(parts: &[ModelPart]) -> BTreeSet<usize> {
    let words = words();
    let has = |host, (is_negated, word): (bool, usize)| words[word].1.contains(&host) != is_negated;
    let only_takes = |part: &ModelPart| part.iter().all(|(is_negated, _)| *is_negated);
    let is_added = |host| {
        let mut adding = parts.iter().filter(|part| !only_takes(part));
        adding.any(|part| part.iter().all(|factor| has(host, *factor)))
    };
    let is_taken = |host| {
        let mut taking = parts.iter().filter(|part| only_takes(part));
        taking.any(|part| words[part[0].1].1.contains(&host))
    };
    (1..=6)
        .filter(|host| is_added(*host) && !is_taken(*host))
        .collect()
}

fn written(parts: &[ModelPart], space: &str) -> String {
    let words = words();
    let factor = |(is_negated, word): &(bool, usize)| {
        format!(
            "{space}{}{}{space}",
            if *is_negated { "!" } else { "" },
            words[*word].0
        )
    };
    let part = |part: &ModelPart| part.iter().map(factor).collect::<Vec<_>>().join("&");
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

proptest! {
    #[test]
    fn targets_are_what_a_naive_model_says(
        parts in prop::collection::vec(prop::collection::vec((any::<bool>(), 0..9_usize), 1..4), 1..5),
        space in " ?",
    ) {
        let inventory = toml(MODEL).unwrap();
        let target = written(&parts, &space);
        let takes = |part: &ModelPart| part.iter().all(|(is_negated, _)| *is_negated);
        let is_refused = parts.iter().all(takes) || parts.iter().any(|part| takes(part) && part.len() > 1);
        let expected = naively(&parts);
        match names(&inventory, &target) {
            Ok(found) => {
                prop_assert!(!is_refused);
                let found: Vec<usize> = found.iter().map(|name| name[1..].parse().unwrap()).collect();
                let unique: BTreeSet<usize> = found.iter().copied().collect();
                prop_assert_eq!(found.len(), unique.len());
                prop_assert_eq!(unique, expected, "{}", target);
            }
            Err(error) if is_refused => prop_assert!(error.contains("is no part of a target"), "{}", error),
            Err(error) => {
                prop_assert!(expected.is_empty(), "{}: {}", target, error);
                prop_assert!(error.contains("selects no host: "), "{}", error);
            }
        }
    }

    #[test]
    fn no_target_and_no_inventory_brings_the_program_down(
        target in "[@!&,a1*?\\[\\]:/ \"-]{0,24}",
        text in "[a-z\\[\\]={}'\",. \n0-9]{0,80}",
    ) {
        let _ = names(&toml(INVENTORY).unwrap(), &target);
        let _ = names(&Inventory::default(), &target);
        let _ = toml(&text);
        let _ = json(&text);
    }
}
