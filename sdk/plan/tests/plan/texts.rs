//! Texts that are edited. Each case is what was there, an edit, and what is there then, byte for
//! byte; a second time, the edit changes nothing.

use std::fs;

use wxec_plan::{Fault, FaultKind, Prefab, Run, block, line, setting};

fn edited<P: Prefab>(before: &[u8], edit: impl FnOnce(&str) -> P) -> Result<Vec<u8>, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, before).unwrap();
    let prefab = edit(path.to_str().unwrap());
    let result = Run::new().ensure(&prefab);
    let after = fs::read(&path).unwrap();
    match result {
        Ok(settled) => {
            assert_eq!(settled.changed, after != before);
            assert!(!Run::new().ensure(&prefab).unwrap().changed);
            Ok(after)
        }
        Err(fault) => {
            assert_eq!(after, before, "a step that failed has written");
            Err(fault)
        }
    }
}

/// Compares what an edit makes of texts.
macro_rules! assert_edits {
    ($edit:expr; $($before:expr => $after:expr),* $(,)?) => {
        $(
            let after = edited(&$before[..], $edit).unwrap();
            assert_eq!(after.escape_ascii().to_string(), $after.escape_ascii().to_string());
        )*
    };
}

macro_rules! assert_fails {
    ($edit:expr; $($before:expr => $kind:ident),* $(,)?) => {
        $(
            let fault = edited(&$before[..], $edit).unwrap_err();
            assert_eq!(fault.kind, FaultKind::$kind, "{fault}");
        )*
    };
}

#[test]
fn a_line_is_added_once_and_the_rest_stays() {
    assert_edits! {
        |path| line(path, "new");
        b"" => b"new\n",
        b"a\n" => b"a\nnew\n",
        b"a" => b"a\nnew",
        b"new" => b"new",
        b"a\r\nb\r\n" => b"a\r\nb\r\nnew\r\n",
        b"a\r\nb" => b"a\r\nb\r\nnew",
        b"a\r\nnew\r\n" => b"a\r\nnew\r\n",
        b"a\nb\r\n" => b"a\nb\r\nnew\n",
        b"\xef\xbb\xbfa\n" => b"\xef\xbb\xbfa\nnew\n",
        b"\xef\xbb\xbfnew\n" => b"\xef\xbb\xbfnew\n",
        b"\xef\xbb\xbf" => b"\xef\xbb\xbfnew\n",
        b"caf\xe9\n\xff\xfe" => b"caf\xe9\n\xff\xfe\nnew",
        b"# new\n new\nnew \nnewer\n" => b"# new\n new\nnew \nnewer\nnew\n",
        b"\n\n" => b"\n\nnew\n",
        b"a\rb\n" => b"a\rb\nnew\n",
    }
    assert_fails! {
        |path| line(path, "new");
        b"new\nnew\n" => Ambiguous,
        b"a\0\n\0" => Refused,
    }
}

#[test]
fn a_line_takes_the_place_of_one_with_its_prefix() {
    assert_edits! {
        |path| line(path, "Port 2222").replaces("Port ");
        b"Port 22\nUsePAM yes\n" => b"Port 2222\nUsePAM yes\n",
        b"#Port 22\n" => b"#Port 22\nPort 2222\n",
        b"x\nPort 22" => b"x\nPort 2222",
        b"Port 22\r\ny\r\n" => b"Port 2222\r\ny\r\n",
        b"Port 2222\n" => b"Port 2222\n",
    }
    assert_fails! {
        |path| line(path, "Port 2222").replaces("Port ");
        b"Port 22\nPort 23\n" => Ambiguous,
        b"Port 2222\nPort 23\n" => Ambiguous,
    }
    assert_edits! {
        |path| line(path, "x").replaces("Port").all();
        b"Port 1\na\nPort 2" => b"x\na\nx",
    }
}

#[test]
fn a_line_stands_behind_another() {
    assert_edits! {
        |path| line(path, "new").after("a");
        b"a\nb\n" => b"a\nnew\nb\n",
        b"b\na" => b"b\na\nnew",
        b"new\na\n" => b"new\na\n",
        b"\xef\xbb\xbfa\r\nb\r\n" => b"\xef\xbb\xbfa\r\nnew\r\nb\r\n",
    }
    assert_fails! {
        |path| line(path, "new").after("a");
        b"b\n" => Missing,
        b"a\na\n" => Ambiguous,
    }
}

#[test]
fn a_line_goes_with_its_end() {
    assert_edits! {
        |path| line(path, "old").absent();
        b"a\nold\nb\n" => b"a\nb\n",
        b"a\nold" => b"a",
        b"old" => b"",
        b"old\n" => b"",
        b"a\r\nold\r\n" => b"a\r\n",
        b"older\n" => b"older\n",
    }
    assert_fails! { |path| line(path, "old").absent(); b"old\nold\n" => Ambiguous }
    assert_edits! { |path| line(path, "old").absent().all(); b"old\na\nold\n" => b"a\n" }
    assert_edits! { |path| line(path, "old").absent().replaces("ol"); b"ole\na\n" => b"a\n" }
    assert_fails! { |path| line(path, "two\nlines"); b"" => Refused }
}

#[test]
fn a_block_stands_between_its_markers() {
    assert_edits! {
        |path| block(path, "b", "1\n2\n");
        b"" => b"# BEGIN b\n1\n2\n# END b\n",
        b"a" => b"a\n# BEGIN b\n1\n2\n# END b",
        b"a\n# BEGIN b\n0\n# END b\nc\n" => b"a\n# BEGIN b\n1\n2\n# END b\nc\n",
        b"# BEGIN b\n# END b" => b"# BEGIN b\n1\n2\n# END b",
        b"\xef\xbb\xbf# BEGIN b\r\n# END b\r\n" => b"\xef\xbb\xbf# BEGIN b\r\n1\r\n2\r\n# END b\r\n",
        b"# BEGIN c\n# END c\n" => b"# BEGIN c\n# END c\n# BEGIN b\n1\n2\n# END b\n",
    }
    assert_fails! {
        |path| block(path, "b", "1");
        b"# BEGIN b\n" => Ambiguous,
        b"# END b\n# BEGIN b\n" => Ambiguous,
        b"# BEGIN b\n# END b\n# BEGIN b\n# END b\n" => Ambiguous,
    }
    assert_edits! {
        |path| block(path, "b", "").absent();
        b"a\n# BEGIN b\n0\n# END b\nc\n" => b"a\nc\n",
        b"a\n# BEGIN b\n# END b" => b"a",
        b"a" => b"a",
    }
    assert_edits! {
        |path| block(path, "b", "x").comment("//");
        b"" => b"// BEGIN b\nx\n// END b\n",
    }
    assert_fails! { |path| block(path, "b", "# END b"); b"" => Refused }
    assert_fails! { |path| block(path, "b\nc", ""); b"" => Refused }
}

#[test]
fn a_setting_is_set_in_its_section() {
    assert_edits! {
        |path| setting(path, "k", "2").in_section("x");
        b"" => b"[x]\nk=2\n",
        b"[x]\nk=1\n" => b"[x]\nk=2\n",
        b"[x]\n  k  =  1 ; old\n" => b"[x]\n  k  =  2\n",
        b"[x]\r\nk = 1\r\n" => b"[x]\r\nk = 2\r\n",
        b"k=0\n[w]\nk=0\n[ x ]\nj=1\n\n[y]\nk=0" => b"k=0\n[w]\nk=0\n[ x ]\nj=1\nk=2\n\n[y]\nk=0",
        b"[x]\n#k=1\n;k=1\nkk=1" => b"[x]\n#k=1\n;k=1\nkk=1\nk=2",
        b"[x]" => b"[x]\nk=2",
        b"[x]\nk" => b"[x]\nk\nk=2",
        b"[x]\nk=\n" => b"[x]\nk=2\n",
    }
    assert_fails! {
        |path| setting(path, "k", "2").in_section("x");
        b"[x]\nk=1\nk=2\n" => Ambiguous,
        b"[x]\n[y]\n[x]\n" => Ambiguous,
    }
    assert_edits! {
        |path| setting(path, "k", "2");
        b"" => b"k=2\n",
        b"a=1\n[x]\nk=1\n" => b"a=1\nk=2\n[x]\nk=1\n",
        b"[x]\n" => b"k=2\n[x]\n",
    }
    assert_edits! {
        |path| setting(path, "Port", "2222").separator(" ");
        b"Port 22\nPorts 1\n" => b"Port 2222\nPorts 1\n",
        b"Port\t22\n" => b"Port\t2222\n",
        b"Ports 1\n" => b"Ports 1\nPort 2222\n",
    }
    assert_edits! {
        |path| setting(path, "k", "2").separator(": ").all();
        b"k: 1\nk:1\n" => b"k: 2\nk:2\n",
    }
    assert_edits! {
        |path| setting(path, "k", "").in_section("x").absent();
        b"[x]\nk=1\nj=1\n" => b"[x]\nj=1\n",
        b"[y]\nk=1\n" => b"[y]\nk=1\n",
    }
}

#[test]
fn keys_and_values_that_would_be_others_are_refused() {
    for (key, value, separator) in [
        ("", "v", "="),
        (" k", "v", "="),
        ("#k", "v", "="),
        ("[k]", "v", "="),
        ("a=b", "v", "="),
        ("k", "v\nk2=v", "="),
        ("k\nk2", "v", "="),
        ("k", "v", ""),
        ("k", "v", "\n"),
    ] {
        assert_fails! { |path| setting(path, key, value).separator(separator); b"" => Refused }
    }
}
