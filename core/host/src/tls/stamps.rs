//! Whether files changed, by what the system says of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use primacy_core::tls::Tls;

use super::load::folder;

/// What the system said of the files of some certificates. Two that are equal are of the same content, as far as one can
/// tell without reading it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// Modified (s, ns), length, device and number: a link that leads elsewhere shows too.
type Stamp = (i64, i64, u64, u64, u64);

impl Stamps {
    pub(super) fn of(tls: &Tls) -> Self {
        let named = [&tls.cert_file, &tls.key_file, &tls.client_cert_file, &tls.client_key_file, &tls.ca_cert_file];
        let mut files: Vec<PathBuf> = named.iter().filter(|f| !f.is_empty()).map(PathBuf::from).collect();
        if !tls.ca_cert_dir.is_empty() {
            files.extend(folder(Path::new(&tls.ca_cert_dir)).unwrap_or_default());
        }
        let stamp =
            |path: &Path| fs::metadata(path).ok().map(|m| (m.mtime(), m.mtime_nsec(), m.len(), m.dev(), m.ino()));
        Self(
            files
                .into_iter()
                .map(|path| {
                    let stamp = stamp(&path);
                    (path, stamp)
                })
                .collect(),
        )
    }
}
