//! Links and repeated names, once all members are known: a link becomes the file that it leads to, and of members of one
//! name the last is the one that unpacking would leave.

use twox_hash::XxHash3_64;

use super::member::{Kind, Link, Refused, Table};
use super::name::{self, Origin};

/// Most links in a row, as in Linux.
const LONGEST_CHAIN: usize = 40;

/// Resolves all links, and refuses all but the last member of a name.
pub(super) fn resolve(table: &mut Table) {
    let links = std::mem::take(&mut table.links);
    let names = Names::of(table);
    resolve_hard(table, &names, &links);
    refuse_repeated(table, &names);
    resolve_symbolic(table, &names, &links);
}

/// Members that could be files, by name and then number. 16 bytes for each, only while links are resolved.
struct Names(Vec<(u64, u32)>);

impl Names {
    fn of(table: &Table) -> Names {
        let could_be_file = |kind| {
            matches!(
                kind,
                Kind::File | Kind::Refused(Refused::Link | Refused::Encrypted | Refused::Sparse | Refused::Method(_))
            )
        };
        let members = (0..table.len()).filter(|member| could_be_file(table.kind(*member)));
        let mut members: Vec<(u64, u32)> = members.map(|member| (hash(table.name(member)), member)).collect();
        members.sort_unstable_by(|(a_hash, a), (b_hash, b)| {
            a_hash.cmp(b_hash).then_with(|| table.name(*a).cmp(table.name(*b))).then(a.cmp(b))
        });
        Names(members)
    }

    /// The last member of this name with a number below `before`.
    fn last(&self, table: &Table, name: &str, before: u32) -> Option<u32> {
        let wanted = hash(name);
        let end = self.0.partition_point(|(hash, member)| {
            hash.cmp(&wanted).then_with(|| table.name(*member).cmp(name)).then(member.cmp(&before)).is_lt()
        });
        let (hash, member) = *self.0.get(end.checked_sub(1)?)?;
        (hash == wanted && table.name(member) == name).then_some(member)
    }
}

fn hash(name: &str) -> u64 {
    XxHash3_64::oneshot(name.as_bytes())
}

/// Gives hard links the bytes of the member that they name, which is before them.
fn resolve_hard(table: &mut Table, names: &Names, links: &[Link]) {
    let mut target = String::new();
    for link in links.iter().filter(|link| link.is_hard) {
        target.clear();
        if name::append(&mut target, &link.target, Origin::Unix).is_some() {
            continue;
        }
        match names.last(table, &target, link.member) {
            Some(found) if table.kind(found) == Kind::File => table.resolve(link.member, found),
            _ => {}
        }
    }
}

fn refuse_repeated(table: &mut Table, names: &Names) {
    for pair in names.0.windows(2) {
        let [(a_hash, earlier), (b_hash, later)] = *pair else { continue };
        if a_hash == b_hash && table.name(earlier) == table.name(later) {
            table.refuse(earlier, Refused::Duplicate);
        }
    }
}

/// Gives symbolic links the bytes of the files that they lead to, over other links if need be.
fn resolve_symbolic(table: &mut Table, names: &Names, links: &[Link]) {
    let of = |member: u32| {
        let place = links.binary_search_by_key(&member, |link| link.member).ok()?;
        Some(&links[place]).filter(|link| !link.is_hard)
    };
    for link in links.iter().filter(|link| !link.is_hard) {
        if table.kind(link.member) != Kind::Refused(Refused::Link) {
            continue;
        }
        let mut at = link;
        for _ in 0..LONGEST_CHAIN {
            let Some(target) = name::follow(table.name(at.member), &at.target) else { break };
            let Some(found) = names.last(table, &target, u32::MAX) else { break };
            if table.kind(found) == Kind::File {
                table.resolve(link.member, found);
                break;
            }
            let Some(next) = of(found) else { break };
            at = next;
        }
    }
}
