//! The folders of a source: what their names and places say about it, whatever the images are.

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::Split;

/// The folders that hold images, as paths below a source.
pub(super) struct Tree<'a> {
    /// Names of the folders from the top, for each folder that has an image in it.
    paths: BTreeSet<Vec<&'a str>>,
}

/// What lies in a folder.
#[derive(Default)]
struct Children<'a> {
    folders: BTreeSet<&'a str>,
    has_images: bool,
}

impl<'a> Tree<'a> {
    /// The folders of files with these keys.
    pub(super) fn of(keys: impl Iterator<Item = &'a str>) -> Tree<'a> {
        let folders: BTreeSet<&str> = keys.map(|key| key.rsplit_once('/').map_or("", |(folder, _)| folder)).collect();
        let names = |folder: &'a str| folder.split('/').filter(|name| !name.is_empty()).collect();
        Tree { paths: folders.into_iter().map(names).collect() }
    }

    /// The folders below the top that hold split folders, if the split folders were meant to be the top: the only
    /// folder on each level down to them, or all top folders. A folder with two different splits is enough, since a
    /// class that mixes them would leak.
    pub(super) fn above_splits(&self) -> Vec<String> {
        let mut place = Vec::new();
        loop {
            let children = self.children(&place);
            match children.folders.first() {
                Some(only) if children.folders.len() == 1 && (place.is_empty() || !children.has_images) => {
                    place.push(*only);
                }
                _ if place.is_empty() => break,
                _ => return Vec::new(),
            }
            if self.children(&place).are_splits() {
                return vec![place.join("/")];
            }
        }
        let tops = self.tops();
        let all = !tops.is_empty() && tops.values().all(Children::are_splits);
        let leaks = |children: &Children<'_>| all || children.are_splits() && children.splits() > 1;
        tops.into_iter().filter(|(_, children)| leaks(children)).map(|(top, _)| top.to_owned()).collect()
    }

    /// The folders right below those at this depth, by the name of the folder that they are in.
    pub(super) fn below(&self, depth: usize) -> BTreeMap<String, BTreeSet<String>> {
        let mut below = BTreeMap::<String, BTreeSet<String>>::new();
        for path in self.paths.iter().filter(|path| path.len() > depth + 1) {
            below.entry(path[depth].to_owned()).or_default().insert(path[..depth + 2].join("/"));
        }
        below
    }

    fn children(&self, place: &[&'a str]) -> Children<'a> {
        let mut children = Children::default();
        self.paths.iter().filter_map(|path| path.strip_prefix(place)).for_each(|path| children.add(path));
        children
    }

    /// What lies in each top folder.
    fn tops(&self) -> BTreeMap<&'a str, Children<'a>> {
        let mut tops = BTreeMap::<_, Children<'_>>::new();
        for (top, path) in self.paths.iter().filter_map(|path| path.split_first()) {
            tops.entry(*top).or_default().add(path);
        }
        tops
    }
}

/// The folders among `all` without an input in them, down to this depth. Folders in an empty folder are left out.
pub(super) fn empty_folders<'a>(
    all: &'a BTreeSet<String>,
    inputs: impl Iterator<Item = &'a str>,
    deepest: usize,
) -> Vec<&'a str> {
    let mut used = BTreeSet::new();
    for input in inputs {
        let ends = input.match_indices('/').map(|(end, _)| end).chain([input.len()]);
        used.extend(ends.take(deepest).map(|end| &input[..end]));
    }
    let is_within_used = |folder: &str| folder.rsplit_once('/').is_none_or(|(above, _)| used.contains(above));
    let all = all.iter().map(String::as_str).filter(|folder| folder.split('/').count() <= deepest);
    all.filter(|folder| !used.contains(folder) && is_within_used(folder)).collect()
}

impl<'a> Children<'a> {
    /// Adds what is at the end of this path from here: a folder, or images.
    fn add(&mut self, path: &[&'a str]) {
        match path.first() {
            Some(folder) => drop(self.folders.insert(*folder)),
            None => self.has_images = true,
        }
    }

    /// Whether all folders are named after splits. Images beside them are tolerated if there are two splits.
    fn are_splits(&self) -> bool {
        let all = !self.folders.is_empty() && self.folders.iter().all(|name| Split::from_folder_name(name).is_some());
        all && (!self.has_images || self.splits() > 1)
    }

    /// Number of different splits that folders are named after.
    fn splits(&self) -> usize {
        self.folders.iter().filter_map(|name| Split::from_folder_name(name)).collect::<BTreeSet<_>>().len()
    }
}
