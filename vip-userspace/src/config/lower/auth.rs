//! Whom an instance believes: the password of version 2.

use vip_common::ids::Version;
use vip_common::wire::vrrp::Auth;

use super::super::diag::{Finding, Sink};
use super::super::keywords::{AuthKey, Key, Status};
use super::super::section::Section;
use super::super::value::Value;
use super::instance::Draft;

/// Bytes of a password (RFC 2338 section 5.3.10).
const LONGEST_PASSWORD: usize = 8;

impl<'s> Draft<'s> {
    pub(super) fn set_authentication(&mut self, section: Option<&'s Section>) {
        for setting in section.iter().flat_map(|section| &section.settings) {
            match (setting.keyword.status, &setting.value) {
                (Status::Does(Key::Auth(AuthKey::Type)), Value::Choice(word)) => {
                    self.auth_type = Some((word, setting.span));
                }
                (Status::Does(Key::Auth(AuthKey::Password)), Value::Word(token)) => {
                    self.auth_pass = Some(token);
                }
                // keepalived runs without what it does not know.
                (Status::Does(Key::Auth(AuthKey::Type)), Value::Refused) => {}
                _ => self.never("its password cannot be read"),
            }
        }
    }

    /// The password that goes into its adverts; `signed` is whether a signature does.
    pub(super) fn auth(
        &mut self,
        version: Version,
        strict: bool,
        signed: bool,
        sink: &mut Sink,
    ) -> Auth {
        let Some((word, span)) = self.auth_type else {
            if let Some(password) = &self.auth_pass {
                sink.add(
                    Finding::warning(password.span, "`auth_pass` without `auth_type` is ignored")
                        .help("add `auth_type PASS`, or remove it"),
                );
            }
            return Auth::None;
        };
        if version == Version::V3 {
            sink.add(
                Finding::warning(span, "VRRP version 3 has no authentication; it is ignored")
                    .help("remove the block, or set `version 2` on every node"),
            );
            return Auth::None;
        }
        if strict {
            sink.add(Finding::warning(
                span,
                "strict mode has no authentication; it is ignored, as in keepalived",
            ));
            return Auth::None;
        }
        if signed {
            sink.add(
                Finding::warning(
                    span,
                    "`auth_hmac` stands in for `authentication`, which is ignored",
                )
                .help("remove the block, as in keepalived the signature alone counts"),
            );
            return Auth::None;
        }
        if word == "AH" {
            let reason = "`auth_type AH` is not supported";
            sink.add(
                Finding::warning(span, reason)
                    .help("the instance is FAULT; use `auth_type PASS` on every node"),
            );
            self.never(reason);
            return Auth::None;
        }
        let Some(token) = &self.auth_pass else {
            sink.add(
                Finding::error(span, "`auth_type PASS` without `auth_pass`; it is ignored")
                    .help("add `auth_pass` with a password of up to 8 bytes"),
            );
            return Auth::None;
        };
        if !token.quoted
            && let Some(mark @ ('#' | '!')) = sink.sources.after(token.span)
        {
            sink.add(
                Finding::warning(
                    token.span,
                    format!("the password ends before `{mark}`, which begins a comment"),
                )
                .help("put a blank before a comment, and a password with `#` or `!` in quotes"),
            );
        }
        let bytes = token.text.as_bytes();
        if bytes.len() > LONGEST_PASSWORD {
            // Where it is used; the definition that it may come from is not shown.
            let used = sink.sources.uses_of(token.span).last();
            sink.add(
                Finding::warning(
                    used.map_or(token.span, |(at, _)| at),
                    format!(
                        "the password has {} bytes; only the first 8 count",
                        bytes.len()
                    ),
                )
                .help("the protocol carries 8 bytes, in clear text"),
            );
        }
        let mut password = [0; LONGEST_PASSWORD];
        for (to, from) in password.iter_mut().zip(bytes) {
            *to = *from;
        }
        Auth::Password(password)
    }
}
