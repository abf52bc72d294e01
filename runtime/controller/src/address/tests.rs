use super::*;

fn ssh(user: Option<&str>, host: &str, port: Option<u16>) -> Hop {
    Hop::Ssh(SshAddress {
        user: user.map(Into::into),
        host: host.into(),
        port,
    })
}

fn kubectl(context: Option<&str>, namespace: &str, pod: &str, container: Option<&str>) -> Hop {
    Hop::Kubectl {
        context: context.map(Into::into),
        namespace: namespace.into(),
        pod: pod.into(),
        container: container.map(Into::into),
    }
}

fn exec(argv: &[&str]) -> Hop {
    Hop::Exec(argv.iter().map(|word| (*word).into()).collect())
}

#[test]
fn hops_are_read() {
    for (text, hop) in [
        ("local:", Hop::Local),
        ("web1", ssh(None, "web1", None)),
        ("ssh:web1", ssh(None, "web1", None)),
        ("deploy@web1:2222", ssh(Some("deploy"), "web1", Some(2222))),
        ("ssh:[::1]:22", ssh(None, "::1", Some(22))),
        ("ssh:fe80::1%eth0", ssh(None, "fe80::1%eth0", None)),
        ("ssh:corp\\joe@web1", ssh(Some("corp\\joe"), "web1", None)),
        ("sudo:", Hop::Sudo(None)),
        ("sudo:app", Hop::Sudo(Some("app".into()))),
        ("su:app", Hop::Su("app".into())),
        ("doas:", Hop::Doas(None)),
        (
            "docker:web",
            Hop::Container(ContainerEngine::Docker, "web".into()),
        ),
        (
            "podman-run:localhost:5000/team/web:1.2",
            Hop::ContainerRun(
                ContainerEngine::Podman,
                "localhost:5000/team/web:1.2".into(),
            ),
        ),
        ("kubectl:prod/web-0", kubectl(None, "prod", "web-0", None)),
        (
            "kubectl:prod/web-0/nginx",
            kubectl(None, "prod", "web-0", Some("nginx")),
        ),
        (
            "kubectl:eu/prod/web-0/nginx",
            kubectl(Some("eu"), "prod", "web-0", Some("nginx")),
        ),
        (
            "kubectl:arn:aws:eks:x:1:cluster/eu/prod/web-0/",
            kubectl(Some("arn:aws:eks:x:1:cluster/eu"), "prod", "web-0", None),
        ),
        ("nsenter:4711", Hop::Nsenter(4711)),
        ("lxc:web", Hop::Lxc("web".into())),
        ("machinectl:web", Hop::Machinectl("web".into())),
        (
            r#"exec:["chroot","/srv/a b/sudo:"]"#,
            exec(&["chroot", "/srv/a b/sudo:"]),
        ),
    ] {
        let address = Address::from(hop);
        assert_eq!(text.parse(), Ok(address.clone()), "{text}");
        assert_eq!(address.to_string().parse(), Ok(address), "{text} printed");
    }
}

#[test]
fn chains_are_cut_before_known_schemes() {
    for (text, hops) in [
        ("bastion/inner", None),
        (
            "bastion/ssh:inner",
            Some(vec![ssh(None, "bastion", None), ssh(None, "inner", None)]),
        ),
        (
            "ssh:a/sudo:/docker-run:team/web:1/su:app",
            Some(vec![
                ssh(None, "a", None),
                Hop::Sudo(None),
                Hop::ContainerRun(ContainerEngine::Docker, "team/web:1".into()),
                Hop::Su("app".into()),
            ]),
        ),
        (
            r#"exec:["a/local:","]/sudo:"]/doas:"#,
            Some(vec![exec(&["a/local:", "]/sudo:"]), Hop::Doas(None)]),
        ),
    ] {
        assert_eq!(
            text.parse().ok(),
            hops.map(|hops| Address { hops }),
            "{text}"
        );
    }
}

#[test]
fn names_are_short_and_addresses_whole() {
    for (text, name) in [
        ("local:", "local"),
        ("ssh:web1", "web1"),
        ("web1/sudo:", "web1/sudo:"),
        ("docker:a", "docker:a"),
    ] {
        assert_eq!(text.parse::<Address>().unwrap().name(), name);
    }
}

#[test]
fn chains_have_an_end() {
    let chain = |length: usize| vec!["sudo:app"; length].join("/");
    assert!(chain(MAX_HOPS).parse::<Address>().is_ok());
    let error = chain(MAX_HOPS + 1).parse::<Address>().unwrap_err();
    assert!(
        error
            .reason
            .starts_with("9 hops are more than the 8 allowed: sudo:app → sudo:app → "),
        "{error}"
    );
    assert!("ssh:a/local:".parse::<Address>().is_err());
}

#[test]
fn hostile_names_are_refused() {
    for text in [
        "-oProxyCommand=evil",
        "ssh:-oProxyCommand=evil",
        "ssh:-l@host",
        "$(reboot)",
        "ssh:a b",
        "ssh:a\nb",
        "ssh:a'b",
        "ssh:`id`",
        "",
        "ssh:",
        "@host",
        "ssh:host:0",
        "ssh:host:99999",
        "ssh:host;id",
        "a/b",
        "local:x",
        "sudo:-i",
        "sudo:a b",
        "su:",
        "su:$(id)",
        "doas:a;b",
        "docker:",
        "docker:--privileged",
        "docker:a/b",
        "docker-run:-v=/:/host",
        "docker-run:a\nb",
        "kubectl:web",
        "kubectl:prod/-w",
        "kubectl:prod/",
        "kubectl:prod//",
        "nsenter:0",
        "nsenter:-1",
        "nsenter:1 -- sh",
        "lxc:-n",
        "machinectl:a'b",
        "exec:",
        "exec:ls",
        "exec:[]",
        r#"exec:[""]"#,
        r#"exec:["a\u0000"]"#,
        r#"exec:["a"]x"#,
        "exec:[1]",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text:?}");
    }
}

#[test]
fn errors_say_what_would_be_right() {
    for (text, error) in [
        (
            "docker:a/b",
            "`docker:a/b` is not a valid address: a container name cannot contain `/`; write `docker:container`",
        ),
        (
            "su:",
            "`su:` is not a valid address: the user name is missing; write `su:user`",
        ),
        (
            "web1:x",
            "`web1:x` is not a valid address: `web1:` is not a scheme; there are local: ssh: sudo: su: doas: docker: podman: docker-run: podman-run: kubectl: nsenter: lxc: machinectl: exec:",
        ),
        (
            "web1/web2",
            "`web1/web2` is not a valid address: a host name cannot contain `/`; a host behind another is written `web1/ssh:web2`",
        ),
        (
            "web1:0",
            "`web1:0` is not a valid address: `0` is not a port; write `ssh:[user@]host[:port]`",
        ),
    ] {
        assert_eq!(text.parse::<Address>().unwrap_err().to_string(), error);
    }
}
