//! What else an instance says with one word: switches, times, numbers.

use vip_common::ids::Priority;

use super::super::Instance;
use super::super::keywords::{Block, InstanceKey};
use super::super::tree::Statement;
use super::instance::{Subject, seconds};
use super::{Entry, Maker, Origin, known};

impl Maker<'_> {
    /// The value of a keyword with one, and who may say it; `None` where it has none
    /// here.
    pub(super) fn subject(
        &self,
        key: InstanceKey,
        instance: &Instance,
    ) -> Option<Subject<'static>> {
        let subject = |name, globals, value: String| {
            Some(Subject {
                name,
                value,
                globals,
                otherwise: Origin::Default,
            })
        };
        let garp = &instance.garp;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all others have blocks, or no value"
        )]
        match key {
            InstanceKey::PreemptDelay => {
                subject("preempt_delay", &[], seconds(instance.preempt_delay))
            }
            InstanceKey::LowerPrioNoAdvert => subject(
                "lower_prio_no_advert",
                &["vrrp_lower_prio_no_advert"],
                switch(instance.lower_prio_no_advert),
            ),
            InstanceKey::HigherPrioSendAdvert => subject(
                "higher_prio_send_advert",
                &["vrrp_higher_prio_send_advert"],
                switch(instance.higher_prio_send_advert),
            ),
            InstanceKey::OwnerIgnoreAdverts if instance.priority == Priority::OWNER => subject(
                "owner_ignore_adverts",
                &["vrrp_owner_ignore_adverts"],
                switch(instance.owner_ignore_adverts),
            ),
            InstanceKey::GarpLowerDelay => self.lower(
                "garp_lower_prio_delay",
                &["vrrp_garp_lower_prio_delay"],
                &["vrrp_garp_master_delay", "vrrp_min_garp"],
                (instance, seconds(garp.lower_prio_delay)),
            ),
            InstanceKey::GarpLowerRepeat => self.lower(
                "garp_lower_prio_repeat",
                &["vrrp_garp_lower_prio_repeat"],
                &["vrrp_garp_master_repeat", "vrrp_min_garp"],
                (instance, garp.lower_prio_repeat.to_string()),
            ),
            InstanceKey::GarpExtraIf => subject(
                "garp_extra_if",
                &["vrrp_garp_extra_if", "vrrp_vmac_garp_intvl"],
                match instance.garp_extra_if {
                    Some(extra) if extra.all => format!("all {}", seconds(extra.every)),
                    Some(extra) => seconds(extra.every),
                    None => "0".into(),
                },
            ),
            InstanceKey::UnicastTtl => {
                let unicast = instance.unicast.as_ref()?;
                subject("unicast_ttl", &[], unicast.ttl.to_string())
            }
            InstanceKey::CheckUnicastSrc => {
                let unicast = instance.unicast.as_ref()?;
                subject(
                    "check_unicast_src",
                    &["vrrp_check_unicast_src"],
                    switch(unicast.check_source),
                )
            }
            _ => None,
        }
    }

    /// Gratuitous ARP after a lower priority was heard: as after a takeover, unless
    /// `own` or strict mode says otherwise.
    fn lower(
        &self,
        name: &'static str,
        own: &'static [&'static str],
        usual: &'static [&'static str],
        (instance, value): (&Instance, String),
    ) -> Option<Subject<'static>> {
        let garp = &instance.garp;
        let strict = instance.lower_prio_no_advert
            && garp.lower_prio_repeat == 0
            && garp.lower_prio_delay.is_zero();
        let (globals, otherwise): (&[&str], _) = if self.inherited(own).is_some() {
            (own, Origin::Default)
        } else if strict {
            (&[], Origin::Follows("strict mode"))
        } else {
            (usual, Origin::Default)
        };
        Some(Subject {
            name,
            value,
            globals,
            otherwise,
        })
    }

    /// Whether packets to the addresses are accepted.
    pub(super) fn accept(&self, given: &[&Statement], instance: &Instance) -> Option<Entry> {
        let name = if instance.accept {
            "accept"
        } else {
            "no_accept"
        };
        let last = given.last()?;
        let mut entry = self.verbatim(known(Block::Instance, last)?, last);
        let written = last.head().map_or("", |head| &head.text);
        if written != name {
            entry.given = Some(written.to_owned());
            entry.words = vec![name.into()];
        }
        Some(entry)
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}
