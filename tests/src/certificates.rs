//! Certificates made at run time: an authority, and what it signs, as files of a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A folder with an authority of its own (`ca.pem`), and a certificate `node` that it signed. It goes with this.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
    authority: Issuer<'static, KeyPair>,
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder); // Somebody may have been faster.
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// A new authority.
    ///
    /// # Panics
    /// When the system has no room for the files.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("primacy-certificates-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(&name);
        fs::create_dir_all(&folder).expect("a folder for certificates");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("an authority").pem();
        let all = Self { folder, authority: Issuer::new(params, key) };
        all.put("ca.pem", &pem);
        all.sign("node", |_| {});
        all
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the file `name` is.
    ///
    /// # Panics
    /// When the temporary folder's name is no UTF-8.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a folder in UTF-8").into()
    }

    /// Writes the file `name`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("a file for certificates");
    }

    /// Makes a certificate `name`.pem with its key `name`.key, in place of those that are there. It is for an address that
    /// nobody has, and good for decades, unless `change` says otherwise.
    ///
    /// # Panics
    /// When it cannot be made or written.
    pub fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(vec!["somewhere.else".into()]).expect("a certificate");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let pem = params.signed_by(&key, &self.authority).expect("a certificate").pem();
        self.put(&format!("{name}.pem"), &pem);
        self.put(&format!("{name}.key"), &key.serialize_pem());
    }
}
