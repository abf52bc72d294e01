//! Keys of `#[plan(…)]` that list words: modes, roles and templates.

use syn::{LitStr, Meta};

use crate::{complaints::Complaints, wants::texts_of};

/// Adds the words of a key such as `modes = "install clean"`.
pub(crate) fn add_words(
    key: &Meta,
    name: &str,
    list: &mut Vec<String>,
    complaints: &mut Complaints,
) {
    for text in texts_of(key, name, complaints) {
        for word in text.value().split_whitespace() {
            let added = check_word(word, name, list);
            match added {
                Ok(()) => list.push(word.to_owned()),
                Err((wrong, help)) => complaints.add(&text, &wrong, help),
            }
        }
        check_blank(&text, complaints);
    }
}

fn check_blank(text: &LitStr, complaints: &mut Complaints) {
    if text.value().trim().is_empty() {
        complaints.add(text, "an empty text names nothing", "leave it away");
    }
}

fn check_word(word: &str, key: &str, list: &[String]) -> Result<(), (String, &'static str)> {
    if key == "templates" {
        return check_template(word);
    }
    let is_word = |text: &str| {
        let mut letters = text.chars();
        letters.all(|letter| letter.is_alphanumeric() || "-_".contains(letter))
    };
    if list.iter().any(|known| known == word) {
        return Err((
            format!("`{word}` stands twice in `{key}`"),
            "leave one away",
        ));
    }
    if !is_word(word) && (word, key) != ("*", "modes") {
        let help = "a word has letters, digits, `-` and `_`; `modes = \"*\"` means all modes";
        return Err((format!("`{word}` is no word for `{key}`"), help));
    }
    Ok(())
}

/// Refuses what is no path in the folder of templates.
fn check_template(name: &str) -> Result<(), (String, &'static str)> {
    let is_usual = |part: &str| {
        let mut letters = part.chars();
        !part.is_empty()
            && !part.starts_with('.')
            && letters.all(|letter| letter.is_alphanumeric() || "-_.".contains(letter))
    };
    if name.split('/').all(is_usual) {
        return Ok(());
    }
    let help = "it is the path of a file in the crate's folder `templates`, such as `app.conf.j2`";
    Err((format!("`{name}` is no name of a template"), help))
}
