//! Packages of Python, from wheels that are made here.

use std::{fs, path::Path, process::Command};

use wxec_plan::{FaultKind, Run, pip};

/// Makes a wheel of a package. Returns false if there is no Python for it.
fn wheel(folder: &Path, name: &str, version: &str) -> bool {
    let script = format!(
        "import zipfile, venv, ensurepip\n\
         n, v = '{name}', '{version}'\n\
         z = zipfile.ZipFile(f'{}/{{n}}-{{v}}-py3-none-any.whl', 'w')\n\
         i = f'{{n}}-{{v}}.dist-info/'\n\
         z.writestr(n + '.py', '')\n\
         z.writestr(i + 'METADATA', f'Metadata-Version: 2.1\\nName: {{n}}\\nVersion: {{v}}\\n')\n\
         z.writestr(i + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         z.writestr(i + 'RECORD', '')\n\
         z.close()\n",
        folder.display()
    );
    let made = Command::new("python3").args(["-c", &script]).output();
    made.is_ok_and(|output| output.status.success())
}

#[test]
fn packages_are_installed_once_and_replaced_by_their_version() {
    let place = tempfile::tempdir().unwrap();
    let versions = ["1.0", "2.0"];
    if !versions
        .iter()
        .all(|version| wheel(place.path(), "wxec_demo", version))
    {
        eprintln!("skipped: there is no python3 with venv here");
        return;
    }
    let venv = place.path().join("venv");
    let links = format!("--find-links={}", place.path().display());
    let demo = |wanted: &str| pip([wanted]).in_venv(&venv).options(["--no-index", &links]);

    let mut preview = Run::preview();
    assert!(demo("Wxec.Demo==1.0").ensure(&mut preview).unwrap().changed);
    assert_eq!(preview.report().summary(), "1 step: 1 would change");
    assert!(!venv.exists());
    assert!(
        demo("Wxec.Demo==1.0")
            .ensure(&mut Run::new())
            .unwrap()
            .changed
    );
    for same in ["Wxec.Demo==1.0", "wxec-demo==1", "wxec_demo"] {
        assert!(
            !demo(same).ensure(&mut Run::new()).unwrap().changed,
            "{same}"
        );
    }
    assert!(
        demo("wxec-demo==2.0")
            .ensure(&mut Run::new())
            .unwrap()
            .changed
    );
    let fault = demo("wxec-demo==3.0").ensure(&mut Run::new()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Command, "{fault}");
    demo("wxec-demo").absent().ensure(&mut Run::new()).unwrap();
    assert!(
        demo("wxec-demo")
            .ensure(&mut Run::preview())
            .unwrap()
            .changed
    );
}

#[test]
fn what_is_no_package_is_refused() {
    let place = tempfile::tempdir().unwrap();
    for wrong in [
        pip(["flask"]),
        pip(["flask"]).in_venv("venv"),
        pip(["--target=/"]).in_venv(place.path().join("venv")),
        pip(["flask>=3"]).in_venv(place.path().join("venv")),
    ] {
        let fault = wrong.ensure(&mut Run::new()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}
