use super::*;
use crate::{action::Decision, difference::Difference, predict::predict, shadow::Shadow};

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    let pairs = pairs.iter();
    pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// A shadow in which the host is as said, whatever this machine is like.
fn host(user: Option<Attributes>, groups: &[(&str, bool)]) -> Shadow {
    let mut shadow = Shadow::default();
    let mut set = |item: String, after| {
        shadow.set_item(&Effect {
            item,
            before: None,
            after,
        })
    };
    set(user_item("app"), user);
    for (group, is_there) in groups {
        let found = is_there.then(Attributes::new);
        set(group_item(group), found);
    }
    shadow
}

fn mia() -> Option<Attributes> {
    Some(attributes(&[
        ("uid", "1000"),
        ("gid", "1000"),
        ("home", "/home/app"),
        ("shell", "/bin/sh"),
        ("group", "app"),
        ("groups", "adm sudo"),
        ("password", "$6$x"),
    ]))
}

/// Returns the commands and differences of a step, which has to be settled after them.
fn decided(user: &User, mut shadow: Shadow) -> (Vec<String>, Vec<Difference>) {
    let seen = user.look(&Look::over(&shadow)).unwrap();
    let Change(Decision::Actions(actions)) = user.plan(&seen) else {
        panic!("it is refused");
    };
    let (mut commands, mut differences) = (Vec::new(), Vec::new());
    for action in &actions {
        let Action::Run(command) = action else {
            panic!("{action:?}");
        };
        commands.push(command.to_string());
        differences.extend(predict(&mut shadow, action).unwrap());
    }
    let seen = user.look(&Look::over(&shadow)).unwrap();
    let rest = user.plan(&seen);
    assert!(
        matches!(&rest.0, Decision::Actions(rest) if rest.is_empty()),
        "{rest:?}"
    );
    (commands, differences)
}

#[test]
fn a_new_account_gets_a_group_of_its_own_unless_one_is_there() {
    let app = user("app").system().shell("/bin/false").groups(["adm"]);
    let (commands, differences) = decided(&app, host(None, &[("app", false), ("adm", true)]));
    assert_eq!(
        commands,
        [
            "groupadd --system app",
            "useradd --system --no-create-home --gid app --shell /bin/false app",
            "gpasswd --add app adm",
        ]
    );
    let shown: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert!(
        shown.contains(&r#"user app: groups: "" -> "adm""#.to_owned()),
        "{shown:?}"
    );

    let (commands, _) = decided(&user("app"), host(None, &[("app", true)]));
    assert_eq!(commands, ["useradd --create-home --gid app app"]);
}

#[test]
fn only_what_is_said_and_not_so_is_changed() {
    let there = || host(mia(), &[("app", true), ("adm", true), ("wheel", true)]);
    assert!(
        decided(&user("app").shell("/bin/sh").groups(["adm"]), there())
            .0
            .is_empty()
    );
    let app = user("app").shell("/bin/bash").home("/home/app").uid(1001);
    let (commands, _) = decided(&app, there());
    assert_eq!(commands, ["usermod --uid 1001 --shell /bin/bash app"]);
    let (commands, _) = decided(&user("app").groups(["wheel"]), there());
    assert_eq!(commands, ["gpasswd --add app wheel"]);
    let (commands, _) = decided(&user("app").groups(["wheel", "adm"]).exactly(), there());
    assert_eq!(
        commands,
        ["gpasswd --add app wheel", "gpasswd --delete app sudo"]
    );
    let (commands, _) = decided(&user("app").absent(), there());
    assert_eq!(commands, ["userdel app"]);
    assert!(decided(&user("app").absent(), host(None, &[])).0.is_empty());
}

#[test]
fn a_password_is_set_by_its_hash_which_is_shown_nowhere() {
    let there = || host(mia(), &[("app", true)]);
    let hash = |hash: &str| user("app").password_hash(hash.to_owned());
    assert!(decided(&hash("$6$x"), there()).0.is_empty());
    let (commands, differences) = decided(&hash("$6$canary"), there());
    assert_eq!(commands, ["chpasswd -e"]);
    assert_eq!(differences.len(), 1);
    assert!(
        !format!("{differences:?}").contains("$6$"),
        "{differences:?}"
    );
    assert!(!format!("{:?}", hash("$6$canary")).contains("canary"));

    assert_eq!(decided(&user("app").locked(), there()).0, ["chpasswd -e"]);
    assert_eq!(decided(&hash("$6$x").locked(), there()).0, ["chpasswd -e"]);
    for locked in ["!", "*", "!!", "!$6$x"] {
        let mut mia = mia();
        mia.as_mut()
            .unwrap()
            .insert("password".into(), locked.into());
        let there = host(mia, &[("app", true)]);
        assert!(
            decided(&user("app").locked(), there).0.is_empty(),
            "{locked}"
        );
    }
    let (commands, _) = decided(&user("app").locked(), host(None, &[("app", true)]));
    assert_eq!(commands, ["useradd --create-home --gid app app"]);
}

/// A change of the shell says nothing of the password, though both are seen.
#[test]
fn a_password_that_stays_is_no_difference() {
    let app = user("app")
        .shell("/bin/zsh")
        .password_hash("$6$x".to_owned());
    let (_, differences) = decided(&app, host(mia(), &[("app", true)]));
    let shown: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [r#"user app: shell: "/bin/sh" -> "/bin/zsh""#]);
}

#[test]
fn what_cannot_be_is_refused() {
    let shadow = host(None, &[("app", false), ("nothere", false)]);
    let lacking = user("app").groups(["nothere"]);
    let seen = lacking.look(&Look::over(&shadow)).unwrap();
    let Change(Decision::Refused(fault)) = lacking.plan(&seen) else {
        panic!("it is not refused");
    };
    assert_eq!(fault.message, "there is no group nothere");
    for wrong in [
        user("-r"),
        user("app").group("0"),
        user("app").groups(["a,b"]),
        user("app").comment("a:b"),
        user("app").shell("/bin/sh\nroot::0:0::/:/bin/sh"),
        user("app").home("--root"),
        user("app").password_hash("$x\nroot:y".to_owned()),
        user("app").password_hash(String::new()),
        user("app").password_hash("hunter2".to_owned()),
    ] {
        let fault = wrong.look(&Look::over(&shadow)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{wrong:?}");
    }
}

/// The number of an account that a step before would make is not known.
#[test]
fn files_can_be_foreseen_for_an_account_that_is_foreseen() {
    let mut shadow = host(None, &[("app", false)]);
    let app = user("app");
    let seen = app.look(&Look::over(&shadow)).unwrap();
    let Change(Decision::Actions(actions)) = app.plan(&seen) else {
        panic!("it is refused");
    };
    let before = Look::over(&shadow).owner_named("app", "app").unwrap_err();
    assert_eq!(before.message, "there is no user app");
    for action in &actions {
        predict(&mut shadow, action).unwrap();
    }
    let owner = Look::over(&shadow).owner_named("app", "app").unwrap();
    assert!(owner.is_none());
}
