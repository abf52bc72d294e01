//! In the readable form, items that a person wrote; and the strings of both forms.

use std::borrow::Cow;

use serde::de::{Expected, Visitor};

use super::{
    error::Result,
    input::{ARRAY, Deserializer, NULL, TAG, TEXT},
};
use crate::guest::cbor::{
    error::DecodeError,
    form::{Form, KEY_TAG, SOME_MAP, WORD_TAG},
};

/// An item that represents something a person wrote: its text, and the text's JSON value.
pub(super) struct Written {
    /// True if it is a map's key.
    pub(super) is_key: bool,
    pub(super) start: usize,
    pub(super) text: usize,
    pub(super) json: Option<usize>,
    pub(super) end: usize,
}

impl<'de> Deserializer<'de> {
    /// In the readable form, reads an item that a person wrote, if one comes next.
    pub(super) fn written(&mut self) -> Result<Option<Written>> {
        if self.form != Form::Readable || self.peek().is_none_or(|byte| byte >> 5 != TAG) {
            return Ok(None);
        }
        let start = self.reader.at;
        match self.head()?.value {
            Some(KEY_TAG) => self.texts_of(start, true).map(Some),
            Some(WORD_TAG) => self.texts_of(start, false).map(Some),
            _ => {
                self.reader.at = start;
                Ok(None)
            }
        }
    }

    /// Reads the array of an item that a person wrote, whose tag is at `start`.
    fn texts_of(&mut self, start: usize, is_key: bool) -> Result<Written> {
        let head = self.head()?;
        let (ARRAY, Some(count @ 1..=2)) = (head.major, head.value) else {
            return Err(DecodeError::Malformed(start).into());
        };
        let text = self.reader.at;
        self.skip()?;
        let json = (count == 2).then_some(self.reader.at);
        if json.is_some() {
            self.skip()?;
        }
        Ok(Written {
            is_key,
            start,
            text,
            json,
            end: self.reader.at,
        })
    }

    /// Continues at the JSON value of a person's text, or at the text if it is not JSON.
    pub(super) fn as_json(&mut self) -> Result<()> {
        if let Some(written) = self.written()? {
            self.reader.at = written.json.unwrap_or(written.text);
        }
        Ok(())
    }

    /// Continues at the JSON value of a person's text if it stands for an option: a null, a marked
    /// `Some`, or a text in quotes to differ from these.
    pub(super) fn as_option(&mut self) -> Result<()> {
        let Some(written) = self.written()? else {
            return Ok(());
        };
        self.reader.at = written.json.unwrap_or(written.start);
        let is_null = self.peek() == Some(NULL);
        if !is_null && !self.rest().starts_with(SOME_MAP) && !self.is_quoted_option()? {
            self.reader.at = written.start;
        }
        Ok(())
    }

    /// Returns true if the next item is a text that, without quotes, would be read as an option.
    /// Other texts keep quotes that they have.
    fn is_quoted_option(&mut self) -> Result<bool> {
        let at = self.reader.at;
        let head = self.head()?;
        let is_option = head.major == TEXT && {
            let text = self.text_of(head)?;
            text == "null" || text.starts_with("{\"Some\"")
        };
        self.reader.at = at;
        Ok(is_option)
    }

    /// Reads a string as its text.
    pub(super) fn string(&mut self, expected: &dyn Expected) -> Result<Cow<'de, str>> {
        let written = self.written()?;
        if let Some(written) = &written {
            self.reader.at = written.text;
        }
        let head = self.head_within_tags()?;
        if head.major != TEXT {
            return Err(self.unexpected(head, expected));
        }
        let text = self.text_of(head)?;
        if let Some(written) = written {
            self.reader.at = written.end;
        }
        Ok(text)
    }

    /// Visits a string as its text.
    pub(super) fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.string(&visitor)? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }
}
